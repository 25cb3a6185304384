//! What every object of programs has: a licence, and somewhere to go for a panic that never comes.

/// Never reached: no operation here panics, and `cargo xtask verify` refuses an object of the product that
/// links panic code.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

// SAFETY: the loader reads this section; nothing else has the name.
#[unsafe(link_section = "license")]
// SAFETY: see above.
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
