//! Runs one program on one frame, through `BPF_PROG_TEST_RUN`.

use aya::{
    TestRun as _,
    programs::{ProgramError, SchedClassifier, TestRunOptions, Xdp},
};
use vnetpeer_common::datapath::Verdict;

use super::Kernel;

/// A program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// XDP on a workload's interface.
    XdpOut,
    /// XDP on the underlay.
    XdpIn,
    /// TC on a workload's interface.
    TcOut,
    /// TC on the underlay.
    TcIn,
    /// TC behind XDP.
    TcDeliver,
}

impl Program {
    /// The name in the object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XdpOut => "vnp_xdp_out",
            Self::XdpIn => "vnp_xdp_in",
            Self::TcOut => "vnp_tc_out",
            Self::TcIn => "vnp_tc_in",
            Self::TcDeliver => "vnp_tc_deliver",
        }
    }

    /// Whether it is an XDP program.
    pub const fn is_xdp(self) -> bool {
        matches!(self, Self::XdpOut | Self::XdpIn)
    }
}

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The action, named.
    pub action: Action,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// An XDP or TC action, as far as it can be seen without sending the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Up the stack of this interface.
    Pass,
    /// Up the stack, with a note for TC: its action, interface and flags.
    PassWithNote(u32, u32, u32),
    /// To another interface; for TC also a reply.
    Redirect,
    /// Back out of this interface.
    Transmit,
    /// Gone.
    Drop,
    /// Anything else.
    Other(u32),
}

/// First word of a note, as `vnp_tc_deliver` knows it.
const NOTE_MAGIC: u32 = u32::from_be_bytes(*b"VnP1");
const NOTE_LEN: usize = 16;
/// Room for the largest frame of a test run and its growth.
const OUTPUT_MAX: usize = 8192;
/// `sizeof(struct __sk_buff)`, and where `gso_size` is in it.
const SKB_LEN: usize = 192;
const SKB_GSO_SIZE: usize = 176;

impl Action {
    /// What the programs make of a verdict, written down once more.
    pub fn of(program: Program, verdict: Verdict) -> Self {
        const DELIVER_XDP: u32 = 1 << 4;
        const RESOLVED: u32 = 1 << 1;
        const RESOLVED_AND_TRANSMIT_XDP: u32 = RESOLVED | (1 << 3);
        match (verdict, program.is_xdp()) {
            (Verdict::Pass, _) => Self::Pass,
            (Verdict::Drop(_), _) => Self::Drop,
            (Verdict::Reply, _)
            | (Verdict::Deliver(_) | Verdict::Transmit(_) | Verdict::Shape { .. }, false) => {
                Self::Redirect
            }
            (Verdict::Shape { ifindex }, true) => Self::PassWithNote(2, ifindex, RESOLVED),
            (Verdict::Deliver(to), true) if to.flags & DELIVER_XDP != 0 => Self::Redirect,
            (Verdict::Deliver(to), true) => Self::PassWithNote(1, to.ifindex, to.flags),
            (Verdict::Transmit(to), true)
                if to.flags & RESOLVED_AND_TRANSMIT_XDP == RESOLVED_AND_TRANSMIT_XDP =>
            {
                Self::Redirect
            }
            (Verdict::Transmit(to), true) => Self::PassWithNote(2, to.ifindex, to.flags),
        }
    }

    const fn from_xdp(number: u32) -> Self {
        match number {
            1 => Self::Drop,
            2 => Self::Pass,
            3 => Self::Transmit,
            4 => Self::Redirect,
            other => Self::Other(other),
        }
    }

    const fn from_tc(number: u32) -> Self {
        match number {
            u32::MAX => Self::Pass,
            2 => Self::Drop,
            7 => Self::Redirect,
            other => Self::Other(other),
        }
    }
}

/// The context of a test run on a super-frame whose segments have so many bytes of payload.
pub fn super_frame(gso_size: u32) -> [u8; SKB_LEN] {
    let mut context = [0; SKB_LEN];
    context[SKB_GSO_SIZE..SKB_GSO_SIZE + 4].copy_from_slice(&gso_size.to_ne_bytes());
    context
}

impl Kernel {
    /// Runs a program once. `Err` if the kernel does not run programs on such a frame.
    pub fn run(
        &self,
        program: Program,
        frame: &[u8],
        gso_size: u32,
    ) -> Result<Outcome, ProgramError> {
        let mut output = vec![0; OUTPUT_MAX];
        let context = super_frame(gso_size);
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut output),
            ctx_in: (gso_size != 0).then_some(&context[..]),
            ..TestRunOptions::new()
        };
        let loaded = self.program(program.name());
        let result = if program.is_xdp() {
            let xdp: &Xdp = loaded.try_into().expect("an XDP program");
            xdp.test_run(options)?
        } else {
            let tc: &SchedClassifier = loaded.try_into().expect("a TC program");
            tc.test_run(options)?
        };
        output.truncate(result.data_size_out as usize);
        let action = if program.is_xdp() {
            Action::from_xdp(result.return_value)
        } else {
            Action::from_tc(result.return_value)
        };
        Ok(split_note(action, output))
    }
}

/// The kernel returns metadata before the frame.
fn split_note(action: Action, mut output: Vec<u8>) -> Outcome {
    let word = |at: usize| -> Option<u32> {
        let bytes = output.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
    };
    let note = match (action, word(0), word(4), word(8), word(12)) {
        (Action::Pass, Some(NOTE_MAGIC), Some(kind), Some(ifindex), Some(flags)) => {
            Some(Action::PassWithNote(kind, ifindex, flags))
        }
        _ => None,
    };
    if let Some(action) = note {
        output.drain(..NOTE_LEN);
        return Outcome { action, bytes: output };
    }
    Outcome { action, bytes: output }
}
