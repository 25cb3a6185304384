//! A packet socket on the host's end of a NIC's interface: what it sends goes to the guest, and it sees
//! what the guest sends before any program at TC does. A filter in the kernel leaves it only what comes
//! from the port that is asked and is for the address that asks.

use std::{
    io, mem,
    net::IpAddr,
    os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd},
};

use nix::sys::socket::{MsgFlags, recv, send};
use tokio::io::{Interest, unix::AsyncFd};
use vnetpeer_common::wire::{ETHERNET_LEN, Ipv6, ethertype, protocol};

/// Where an IPv4 header has its protocol, destination and beginning, in a frame.
const IPV4: usize = ETHERNET_LEN;
const IPV4_PROTOCOL: usize = IPV4 + 9;
const IPV4_DESTINATION: usize = IPV4 + 16;
/// Where an IPv6 header has its next header and destination, in a frame.
const IPV6_PROTOCOL: usize = ETHERNET_LEN + 6;
const IPV6_DESTINATION: usize = ETHERNET_LEN + 24;
/// Where TCP begins behind an IPv6 header without extensions.
const IPV6_TCP: usize = ETHERNET_LEN + Ipv6::LEN;
/// Where a frame has its ethertype.
const ETHERTYPE: usize = 12;

/// Opcodes of classic BPF (linux/filter.h).
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_HALF_BEHIND_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const LOAD_IPV4_LENGTH: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const JUMP_IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// See the module.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Opens one on an interface. `asks` is the address that asks, `port` the one that is asked.
    pub(super) fn open(ifindex: u32, asks: IpAddr, port: u16) -> io::Result<AsyncFd<Self>> {
        // With protocol 0 nothing comes before the filter is there and the interface is chosen.
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nobody else has it.
        let socket = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        socket.filter(&filter(asks, port))?;
        socket.bind(ifindex)?;
        // SAFETY: the socket owns its descriptor and always gives out that one.
        let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        Ok(registered?)
    }

    fn filter(&self, program: &[libc::sock_filter]) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(io::Error::other)?,
            filter: program.as_ptr().cast_mut(),
        };
        let len = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
        let (level, name) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
        // SAFETY: the kernel reads one `sock_fprog` of that size and copies the instructions that it
        // points at, as many as it says; both live until the call returns.
        let result = unsafe {
            libc::setsockopt(self.0.as_raw_fd(), level, name, (&raw const program).cast(), len)
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn bind(&self, ifindex: u32) -> io::Result<()> {
        // SAFETY: the type is plain integers, for which zero is a value.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be();
        address.sll_ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
        let len = libc::socklen_t::try_from(size_of_val(&address)).map_err(io::Error::other)?;
        // SAFETY: the kernel reads one `sockaddr_ll` of that size.
        let result = unsafe { libc::bind(self.0.as_raw_fd(), (&raw const address).cast(), len) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends a frame.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }

    /// The next frame, cut off at the end of the buffer; `WouldBlock` if there is none.
    pub(super) fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0.as_raw_fd(), frame, MsgFlags::empty())?)
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Lets TCP from `port` to `asks` through.
fn filter(asks: IpAddr, port: u16) -> Vec<libc::sock_filter> {
    let mut conditions = Vec::new();
    let mut is = |load, at: usize, value: u32| conditions.push((load, at, value));
    let port = u32::from(port);
    let tcp = u32::from(protocol::TCP);
    match asks {
        IpAddr::V4(address) => {
            is(LOAD_HALF, ETHERTYPE, ethertype::IPV4.into());
            is(LOAD_BYTE, IPV4_PROTOCOL, tcp);
            is(LOAD_WORD, IPV4_DESTINATION, address.into());
            is(LOAD_HALF_BEHIND_X, IPV4, port);
        }
        IpAddr::V6(address) => {
            is(LOAD_HALF, ETHERTYPE, ethertype::IPV6.into());
            is(LOAD_BYTE, IPV6_PROTOCOL, tcp);
            let words = address.octets();
            for (index, word) in words.as_chunks::<4>().0.iter().enumerate() {
                is(LOAD_WORD, IPV6_DESTINATION + 4 * index, u32::from_be_bytes(*word));
            }
            is(LOAD_HALF, IPV6_TCP, port);
        }
    }
    let mut program = Vec::new();
    for (load, at, value) in conditions {
        if load == LOAD_HALF_BEHIND_X {
            program.push(instruction(LOAD_IPV4_LENGTH, at, 0));
        }
        program.push(instruction(load, at, 0));
        // What is as it should be gets past the next instruction, which lets nothing through.
        let mut test = instruction(JUMP_IF_EQUAL, 0, value);
        test.jt = 1;
        program.push(test);
        program.push(instruction(RETURN, 0, 0));
    }
    program.push(instruction(RETURN, 0, u32::MAX));
    program
}

/// An instruction about a place in the frame, or about a value.
fn instruction(code: u32, at: usize, value: u32) -> libc::sock_filter {
    let k = u32::try_from(at).unwrap_or(u32::MAX) | value;
    libc::sock_filter { code: u16::try_from(code).unwrap_or(u16::MAX), jt: 0, jf: 0, k }
}
