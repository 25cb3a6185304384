//! Puts programs on interfaces and takes them off.
//!
//! Every attachment is a pinned link, named by interface index and hook, so it outlives the agent.
//! A link that exists gets the new program atomically (`BPF_LINK_UPDATE`), without a packet that no
//! program sees. On kernels before 6.6 TC has no links; the programs then hang on a clsact qdisc,
//! which outlives the agent as well.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        links::{FdLink, LinkError, PinnedLink},
        tc::{self, TcAttachOptions},
    },
    util::KernelVersion,
};

use super::Dataplane;
use crate::topology::facts::Hook;

/// What an interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A workload is behind it.
    Workload,
    /// Frames of a workload come in behind the queue that limits them.
    Shaper,
    /// The other hosts are behind it.
    Underlay,
}

/// A program wanted on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Whether XDP handles it.
    pub xdp: bool,
}

impl Attachment {
    /// An attachment by the decided hook.
    pub fn new(ifindex: u32, name: &str, role: Role, hook: Hook) -> Self {
        Self { ifindex, name: name.to_owned(), role, xdp: hook == Hook::Xdp }
    }

    /// The TC program of the interface.
    pub fn tc_program(&self) -> &'static str {
        match (self.role, self.xdp) {
            (_, true) => "vnp_tc_deliver",
            (Role::Workload | Role::Shaper, false) => "vnp_tc_out",
            (Role::Underlay, false) => "vnp_tc_in",
        }
    }

    /// The XDP program of the interface, if XDP handles it.
    pub fn xdp_program(&self) -> Option<&'static str> {
        match (self.role, self.xdp) {
            (_, false) => None,
            (Role::Workload | Role::Shaper, true) => Some("vnp_xdp_out"),
            (Role::Underlay, true) => Some("vnp_xdp_in"),
        }
    }
}

/// Why a program is not on an interface.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The driver has no native XDP.
    #[error("interface {interface} has no native XDP")]
    NoNativeXdp {
        /// The interface.
        interface: String,
    },
    /// The kernel refused.
    #[error("cannot attach {program} to {interface}")]
    Attach {
        /// The program.
        program: &'static str,
        /// The interface.
        interface: String,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// The link cannot be pinned or read from its pin.
    #[error("cannot pin the link {path}")]
    Pin {
        /// The pin.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The directory of links cannot be read, or a link not be removed.
    #[error("cannot read or change {path}")]
    Directory {
        /// The directory or link.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The object lacks a program.
    #[error("the BPF object lacks {name}")]
    Missing {
        /// Its name.
        name: &'static str,
    },
}

impl Dataplane {
    /// Puts the programs of `wanted` on its interface, or replaces them atomically.
    ///
    /// XDP comes first: until the TC program behind it is there, the host drops what XDP passes on.
    pub fn attach(&mut self, wanted: &Attachment) -> Result<(), AttachError> {
        if let Some(name) = wanted.xdp_program() {
            self.attach_xdp(wanted, name)?;
        }
        self.attach_tc(wanted, wanted.tc_program())
    }

    /// Takes programs off every interface that is not wanted, and XDP off those that TC handles.
    pub fn detach_others(&self, wanted: &BTreeSet<Attachment>) -> Result<(), AttachError> {
        let mut keep = BTreeSet::new();
        for attachment in wanted {
            keep.insert(self.pin(attachment.ifindex, "tc"));
            if attachment.xdp {
                keep.insert(self.pin(attachment.ifindex, "xdp"));
            }
        }
        let failed = |source| AttachError::Directory { path: self.links.clone(), source };
        for entry in fs::read_dir(&self.links).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if !keep.contains(&path) {
                fs::remove_file(&path).map_err(|source| AttachError::Directory { path, source })?;
            }
        }
        Ok(())
    }

    fn pin(&self, ifindex: u32, hook: &str) -> PathBuf {
        self.links.join(format!("{ifindex}-{hook}"))
    }

    fn attach_xdp(&mut self, wanted: &Attachment, name: &'static str) -> Result<(), AttachError> {
        let pin = self.pin(wanted.ifindex, "xdp");
        let missing = || AttachError::Missing { name };
        let program: &mut Xdp = self
            .ebpf
            .program_mut(name)
            .ok_or_else(missing)?
            .try_into()
            .map_err(|_: ProgramError| missing())?;
        let failed = |source| attach_error(wanted, name, source);
        if let Some(old) = open_link(&pin)? {
            match old.try_into().ok().and_then(|link| program.attach_to_link(link).ok()) {
                Some(id) => return program.take_link(id).map(drop).map_err(failed),
                None => remove_dead(&pin)?,
            }
        }
        let id = program.attach_to_if_index(wanted.ifindex, XdpMode::Driver).map_err(failed)?;
        let link = program.take_link(id).map_err(failed)?;
        pin_link(link, &pin)
    }

    fn attach_tc(&mut self, wanted: &Attachment, name: &'static str) -> Result<(), AttachError> {
        let pin = self.pin(wanted.ifindex, "tc");
        let missing = || AttachError::Missing { name };
        let program: &mut SchedClassifier = self
            .ebpf
            .program_mut(name)
            .ok_or_else(missing)?
            .try_into()
            .map_err(|_: ProgramError| missing())?;
        let failed = |source| attach_error(wanted, name, source);
        if !has_tcx() {
            return attach_clsact(program, wanted).map_err(failed);
        }
        if let Some(old) = open_link(&pin)? {
            match old.try_into().ok().and_then(|link| program.attach_to_link(link).ok()) {
                Some(id) => return program.take_link(id).map(drop).map_err(failed),
                None => remove_dead(&pin)?,
            }
        }
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = program
            .attach_with_options(&wanted.name, TcAttachType::Ingress, options)
            .map_err(failed)?;
        let link = program.take_link(id).map_err(failed)?;
        pin_link(link, &pin)
    }
}

/// The pinned link, if there is one. Its interface may be gone.
fn open_link(pin: &Path) -> Result<Option<FdLink>, AttachError> {
    if !pin.exists() {
        return Ok(None);
    }
    let link = PinnedLink::from_pin(pin)
        .map_err(|source| AttachError::Pin { path: pin.to_owned(), source: Box::new(source) })?;
    Ok(Some(link.into()))
}

/// A link whose interface went away cannot be updated; a new interface may have got its index.
fn remove_dead(pin: &Path) -> Result<(), AttachError> {
    fs::remove_file(pin).map_err(|source| AttachError::Directory { path: pin.to_owned(), source })
}

fn pin_link<L>(link: L, pin: &Path) -> Result<(), AttachError>
where
    FdLink: TryFrom<L, Error = LinkError>,
{
    let failed = |source| AttachError::Pin { path: pin.to_owned(), source };
    let link = FdLink::try_from(link).map_err(|error| failed(Box::new(error)))?;
    link.pin(pin).map(drop).map_err(|error| failed(Box::new(error)))
}

/// Whether TC programs attach by links: kernel 6.6, commit "bpf: Add fd-based tcx multi-prog infra
/// with link support".
fn has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}

fn attach_error(wanted: &Attachment, program: &'static str, source: ProgramError) -> AttachError {
    let unsupported = |error: &io::Error| error.raw_os_error() == Some(libc::EOPNOTSUPP);
    let no_native = wanted.xdp
        && matches!(&source, ProgramError::SyscallError(error) if unsupported(&error.io_error));
    if no_native {
        return AttachError::NoNativeXdp { interface: wanted.name.clone() };
    }
    AttachError::Attach { program, interface: wanted.name.clone(), source: Box::new(source) }
}

/// TC before kernel 6.6: a filter on the clsact qdisc. The old filters go first, so for a moment the
/// interface has none.
fn attach_clsact(program: &mut SchedClassifier, wanted: &Attachment) -> Result<(), ProgramError> {
    match tc::qdisc_add_clsact(&wanted.name) {
        Ok(()) | Err(tc::TcError::AlreadyAttached) => {}
        Err(error) => return Err(error.into()),
    }
    for name in super::load::TC_PROGRAMS {
        match tc::qdisc_detach_program(&wanted.name, TcAttachType::Ingress, name) {
            Ok(()) => {}
            Err(tc::TcError::IoError(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let options = TcAttachOptions::Netlink(tc::NlOptions::default());
    let id = program.attach_with_options(&wanted.name, TcAttachType::Ingress, options)?;
    // A dropped netlink link takes the filter along; this one must outlive the agent.
    std::mem::forget(program.take_link(id)?);
    Ok(())
}
