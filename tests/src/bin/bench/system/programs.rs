//! The programs of `vnetpeer-system`, one load for each interface.

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, PerCpuArray},
    programs::{Program, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode},
};
use vnetpeer_tests::object;

use super::space::Space;

/// Bytes that the programs write.
const HEAD: usize = 64;

/// A load of the programs.
#[derive(Debug)]
pub(super) struct Programs(Ebpf);

impl Programs {
    /// Loads them for packets that go to an interface and begin with these bytes.
    pub(super) fn load(target: u32, flows: u32, head: &[u8]) -> Result<Self> {
        let object = object::system_programs();
        let mut loader = EbpfLoader::new();
        loader.override_global("TARGET", &target, true).override_global("FLOWS", &flows, true);
        let mut ebpf = loader.load(&object).context("load vnetpeer-system")?;
        let mut bytes = [0; HEAD];
        for (to, from) in bytes.iter_mut().zip(head) {
            *to = *from;
        }
        let map = ebpf.map_mut("HEAD").context("no map HEAD")?;
        Array::<_, [u8; HEAD]>::try_from(map)?.set(0, bytes, 0)?;
        Ok(Self(ebpf))
    }

    /// Attaches a program to an interface, for as long as this lives.
    pub(super) fn attach(mut self, name: &str, space: &Space, interface: &str) -> Result<Self> {
        let program = self.0.program_mut(name).with_context(|| format!("no program {name}"))?;
        space
            .within(|| Ok(attach(program, interface)?))
            .with_context(|| format!("attach {name} to {interface}"))?;
        Ok(self)
    }

    /// The source, loaded.
    pub(super) fn source(&mut self) -> Result<&Xdp> {
        let Some(Program::Xdp(source)) = self.0.program_mut("source") else {
            bail!("no program source");
        };
        source.load().context("load the source")?;
        Ok(source)
    }

    /// Packets that the sink has counted.
    pub(super) fn arrived(&self) -> Result<u64> {
        let map = self.0.map("ARRIVED").context("no map ARRIVED")?;
        Ok(PerCpuArray::<_, u64>::try_from(map)?.get(&0, 0)?.iter().sum())
    }
}

fn attach(program: &mut Program, interface: &str) -> Result<(), ProgramError> {
    match program {
        Program::Xdp(program) => {
            program.load()?;
            program.attach(interface, XdpMode::Driver)?;
        }
        Program::SchedClassifier(program) => {
            program.load()?;
            SchedClassifier::attach(program, interface, TcAttachType::Ingress)?;
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    }
    Ok(())
}
