//! What the verifier and the compiler made of each program, and how much of it is allowed.

use anyhow::{Context as _, Result};
use aya::{
    EbpfLoader, VerifierLogLevel,
    programs::{Program, ProgramError, ProgramInfo, SchedClassifier, Xdp},
};

use crate::stack;

/// What one program may cost.
///
/// The limits are about half again today's figures: growth is noticed when it happens, and the kernel's
/// own limit of a million instructions stays far away.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The program.
    pub name: &'static str,
    /// Instructions that the verifier looks at, on all paths.
    pub verified: u32,
    /// Bytes of stack.
    pub stack: u32,
}

/// One budget per program. The kernel allows 512 bytes of stack to a program and the functions that it
/// calls together; theirs take up to 176.
pub const BUDGETS: [Budget; 10] = [
    Budget { name: "vnp_clock", verified: 50, stack: 32 },
    Budget { name: "vnp_tc_deliver", verified: 500, stack: 64 },
    Budget { name: "vnp_tc_in", verified: 240_000, stack: 336 },
    Budget { name: "vnp_tc_out", verified: 6_000, stack: 224 },
    Budget { name: "vnp_tc_out_other", verified: 270_000, stack: 336 },
    Budget { name: "vnp_tc_out_v6", verified: 560_000, stack: 336 },
    Budget { name: "vnp_xdp_in", verified: 200_000, stack: 336 },
    Budget { name: "vnp_xdp_out", verified: 4_000, stack: 192 },
    Budget { name: "vnp_xdp_out_other", verified: 260_000, stack: 336 },
    Budget { name: "vnp_xdp_out_v6", verified: 700_000, stack: 336 },
];

/// What one program costs.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The program.
    pub name: String,
    /// Instructions that the verifier looked at; `None` on kernels before 5.16, which do not tell.
    pub verified: Option<u32>,
    /// Bytes of stack.
    pub stack: u32,
    /// Bytes after the verifier's rewriting; `None` if hidden from this process.
    pub translated: Option<u32>,
    /// Bytes of machine code.
    pub jited: u32,
}

impl Cost {
    /// Which limits the program exceeds.
    pub fn excess(&self) -> Vec<String> {
        let Some(budget) = BUDGETS.iter().find(|budget| budget.name == self.name) else {
            return vec!["has no budget".to_owned()];
        };
        let mut excess = Vec::new();
        if self.verified.is_some_and(|verified| verified > budget.verified) {
            excess.push(format!("more than {} verified instructions", budget.verified));
        }
        if self.stack > budget.stack {
            excess.push(format!("more than {} bytes of stack", budget.stack));
        }
        excess
    }
}

/// A program of the object: its name, and its cost or why the kernel refused it.
pub type Loaded = (String, Result<Cost, ProgramError>);

/// Loads every program of an object.
pub fn load_all(object: &[u8]) -> Result<Vec<Loaded>> {
    let stacks = stack::of_programs(object)?;
    let mut ebpf = EbpfLoader::new()
        .verifier_log_level(VerifierLogLevel::STATS)
        .load(object)
        .context("create the maps")?;
    let mut loaded = Vec::new();
    for (name, program) in ebpf.programs_mut() {
        let stack = *stacks.get(name).with_context(|| format!("no stack of {name}"))?;
        let cost = load(program).map(|info| Cost {
            name: name.to_owned(),
            verified: info.verified_instruction_count(),
            stack,
            translated: info.size_translated(),
            jited: info.size_jitted(),
        });
        loaded.push((name.to_owned(), cost));
    }
    loaded.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(loaded)
}

fn load(program: &mut Program) -> Result<ProgramInfo, ProgramError> {
    match program {
        Program::Xdp(program) => Xdp::load(program).and_then(|()| program.info()),
        Program::SchedClassifier(program) => {
            SchedClassifier::load(program).and_then(|()| program.info())
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}
