//! How much stack a program of the object uses, read from its instructions.
//!
//! The verifier counts the deepest byte below the frame pointer, rounds it up per function, and adds up
//! the functions of a call chain; it refuses more than 512.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use aya_obj::{
    Object,
    generated::{BPF_CALL, bpf_insn},
};

/// The kernel's limit for a chain of calls.
pub const STACK_MAX: u32 = 512;
/// What the stack of each function is rounded up to when it is just-in-time compiled.
const ROUND: u32 = 16;

const FRAME_POINTER: u8 = 10;
/// `dst = src`, 64 bits.
const MOVE: u8 = 0xbf;
/// `dst += constant`, 64 bits.
const ADD_CONSTANT: u8 = 0x07;
/// Low three bits of loads and stores through a register.
const CLASS: u8 = 0x07;
const LOAD: u8 = 0x01;
const STORE_CONSTANT: u8 = 0x02;
const STORE: u8 = 0x03;
/// `call`, and the source register that tells a function of the object from a helper.
const CALL: u8 = 0x85;
const OF_THE_OBJECT: u8 = 1;

/// Bytes of stack of each program, callees included.
pub fn of_programs(object: &[u8]) -> Result<BTreeMap<String, u32>> {
    let object = Object::parse(object).context("read the object")?;
    ensure!(BPF_CALL == u32::from(CALL & 0xf0), "the call instruction is what it was");
    let text = object.functions.values().filter(|it| is_library(&it.name));
    let callee = text.map(|it| own(&it.instructions)).max().unwrap_or(0);
    let depth = |name: &str| {
        let program = object.programs.get(name)?;
        let function = object.functions.get(&program.function_key())?;
        let instructions = &function.instructions;
        let calls = instructions.iter().any(|it| it.code == CALL && it.src_reg() == OF_THE_OBJECT);
        Some(own(instructions) + if calls { callee } else { 0 })
    };
    object
        .programs
        .keys()
        .map(|name| Ok((name.clone(), depth(name).with_context(|| format!("no code of {name}"))?)))
        .collect()
}

/// Functions that a program may call: those that the compiler calls to copy and fill memory. Any other
/// would have been inlined.
pub fn is_library(name: &str) -> bool {
    matches!(name, "memcpy" | "memmove" | "memset" | "memcmp" | "bcmp")
}

/// Bytes of stack of one function.
fn own(instructions: &[bpf_insn]) -> u32 {
    let direct = instructions.iter().map(|it| {
        let through = match it.code & CLASS {
            LOAD => it.src_reg(),
            STORE | STORE_CONSTANT => it.dst_reg(),
            _ => return 0,
        };
        if through == FRAME_POINTER { below(i32::from(it.off)) } else { 0 }
    });
    let addresses = instructions.windows(2).map(|pair| {
        let [copy, add] = pair else { return 0 };
        let of_frame = copy.code == MOVE && copy.src_reg() == FRAME_POINTER;
        let moved = add.code == ADD_CONSTANT && add.dst_reg() == copy.dst_reg();
        if of_frame && moved { below(add.imm) } else { 0 }
    });
    direct.chain(addresses).max().unwrap_or(0).next_multiple_of(ROUND)
}

fn below(offset: i32) -> u32 {
    if offset < 0 { offset.unsigned_abs() } else { 0 }
}
