//! The queues that limit what NICs send: pairs of interfaces with a token bucket in between.
//!
//! A NIC's program sends its frames out of one interface of the pair, where they wait for their turn in
//! the kernel's own queue, and they come in on the other. A frame keeps its socket meanwhile, so a sender
//! on this host is held back and loses nothing. Pairs outlive the agent. They are named by the index of
//! the NIC's interface, and an alias says whose they are.

mod tbf;

use std::{collections::BTreeMap, fs, io, path::Path};

use futures_util::{StreamExt as _, TryStreamExt as _};
use rtnetlink::{
    Handle, LinkUnspec, LinkVeth, new_connection,
    packet_core::NetlinkPayload,
    packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage},
    packet_route::{
        RouteNetlinkMessage,
        link::{InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage},
        tc::{TcHandle, TcMessage},
    },
};

use self::tbf::{Bucket, Pace};

/// Larger than any NIC's: the MTU of a pair refuses nothing.
const MTU: u32 = 65_535;
const PREFIX: &str = "vnps";

/// A queue cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShaperError {
    /// The kernel refused a request.
    #[error("cannot {what} {interface}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// On what.
        interface: String,
        /// Why.
        #[source]
        source: rtnetlink::Error,
    },
    /// It is there, and is not ours.
    #[error("interface {interface} belongs to somebody else; remove or rename it")]
    Foreign {
        /// The interface.
        interface: String,
    },
    /// It went away as soon as it was made.
    #[error("interface {interface} was removed by somebody else")]
    Gone {
        /// The interface.
        interface: String,
    },
    /// Netlink cannot be opened.
    #[error("cannot open netlink")]
    Socket(#[from] io::Error),
}

/// A pair, as the host has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shaper {
    /// Name of the interface that frames are sent out of.
    pub name: String,
    /// Its index.
    pub enters: u32,
    /// Index of the interface that they come in on.
    pub leaves: u32,
    is_up: bool,
    bucket: Option<Bucket>,
}

impl Shaper {
    /// Whether it limits to this, for IP packets of at most `mtu` bytes.
    pub fn keeps(&self, bits_per_second: u64, mtu: u16) -> bool {
        let pace = Pace::of(bits_per_second, mtu);
        self.is_up && self.bucket.is_some_and(|bucket| bucket.keeps(&pace))
    }

    /// Whether what is sent into it comes out.
    pub fn passes(&self) -> bool {
        self.is_up
    }

    /// Whether nothing waits in it.
    pub fn is_empty(&self) -> bool {
        self.bucket.is_none_or(|bucket| bucket.waiting == 0)
    }

    /// Name of the interface that frames come in on.
    pub fn exit(&self) -> String {
        format!("{}b", self.name.trim_end_matches('a'))
    }
}

/// Pairs by the index of the NIC's interface.
pub type Shapers = BTreeMap<u32, Shaper>;

fn name(ifindex: u32, end: char) -> String {
    format!("{PREFIX}{ifindex}{end}")
}

/// What marks the pairs of an agent.
fn alias(owner: &Path) -> String {
    format!("vnetpeer {}", owner.display())
}

/// All pairs of the agent that has this pin directory.
pub async fn list(handle: &Handle, owner: &Path) -> Result<Shapers, rtnetlink::Error> {
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    let owner = alias(owner);
    let mut found: Shapers = links.iter().filter_map(|it| read(it, &owner)).collect();
    if found.is_empty() {
        return Ok(found);
    }
    let disciplines: Vec<TcMessage> = handle.clone().qdisc().get().execute().try_collect().await?;
    for message in disciplines.iter().filter(|it| it.header.parent == TcHandle::ROOT) {
        let of = |it: &&mut Shaper| i64::from(it.enters) == i64::from(message.header.index);
        if let Some(shaper) = found.values_mut().find(of) {
            shaper.bucket = Bucket::read(message);
        }
    }
    Ok(found)
}

fn read(link: &LinkMessage, owner: &str) -> Option<(u32, Shaper)> {
    let (mut name, mut leaves, mut is_foreign) = (None, None, false);
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(it) => name = Some(it.as_str()),
            LinkAttribute::Link(it) => leaves = Some(*it),
            LinkAttribute::IfAlias(it) => is_foreign = it != owner,
            _ => {}
        }
    }
    let name = name?;
    let ifindex = name.strip_prefix(PREFIX)?.strip_suffix('a')?.parse().ok()?;
    let shaper = Shaper {
        name: name.to_owned(),
        enters: link.header.index,
        leaves: leaves?,
        is_up: link.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        bucket: None,
    };
    (!is_foreign).then_some((ifindex, shaper))
}

/// Makes the pair of an interface, or changes it, and returns it. What waits in it meanwhile is not lost.
pub async fn ensure(
    handle: &Handle,
    owner: &Path,
    ifindex: u32,
    bits_per_second: u64,
    mtu: u16,
) -> Result<Shaper, ShaperError> {
    let pace = Pace::of(bits_per_second, mtu);
    let find = async || {
        let listed = list(handle, owner).await;
        listed.map_err(failed("find", &name(ifindex, 'a'))).map(|mut it| it.remove(&ifindex))
    };
    let there = if let Some(there) = find().await? {
        there
    } else {
        create(handle, ifindex).await?;
        let gone = || ShaperError::Gone { interface: name(ifindex, 'a') };
        find().await?.ok_or_else(gone)?
    };
    let is_new = there.bucket.is_none() || !there.is_up;
    if let Err(error) = complete(handle, owner, &there, pace).await {
        // Half a pair is of no use, and a whole one goes on as it is.
        if is_new {
            remove(handle, &there).await?;
        }
        return Err(error);
    }
    Ok(Shaper { is_up: true, ..there })
}

async fn create(handle: &Handle, ifindex: u32) -> Result<(), ShaperError> {
    let [enters, leaves] = ['a', 'b'].map(|end| name(ifindex, end));
    let peer = LinkUnspec::new_with_name(&leaves).mtu(MTU).build();
    let pair = LinkVeth::new(&enters, &leaves)
        .mtu(MTU)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .build();
    match handle.link().add(pair).execute().await {
        Ok(()) => {}
        Err(error) if is(&error, libc::EEXIST) => {
            return Err(ShaperError::Foreign { interface: enters });
        }
        Err(source) => return Err(failed("make", &enters)(source)),
    }
    for interface in [&enters, &leaves] {
        // Otherwise the host itself would speak on it, which the NIC's program drops and counts.
        let setting = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
        if let Err(error) = fs::write(&setting, "1") {
            tracing::debug!(setting, %error, "cannot keep IPv6 off");
        }
    }
    Ok(())
}

/// Sets what differs. The bucket comes before the interface is up.
async fn complete(
    handle: &Handle,
    owner: &Path,
    there: &Shaper,
    pace: Pace,
) -> Result<(), ShaperError> {
    set_pace(handle, there, pace).await?;
    if there.is_up {
        return Ok(());
    }
    let links = [
        LinkUnspec::new_with_index(there.enters).alias(alias(owner)).up().build(),
        LinkUnspec::new_with_index(there.leaves).up().build(),
    ];
    for link in links {
        handle.link().change(link).execute().await.map_err(failed("set up", &there.name))?;
    }
    Ok(())
}

async fn set_pace(handle: &Handle, there: &Shaper, pace: Pace) -> Result<(), ShaperError> {
    if there.bucket.is_some_and(|bucket| bucket.keeps(&pace)) {
        return Ok(());
    }
    // A bucket that is there is changed in place: what waits in it goes on to wait.
    let flags = if there.bucket.is_some() { 0 } else { NLM_F_CREATE | NLM_F_REPLACE };
    let index = i32::try_from(there.enters).unwrap_or_default();
    let mut message = TcMessage::with_index(index);
    message.header.parent = TcHandle::ROOT;
    message.attributes = pace.attributes();
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(message));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    let failed = failed("limit", &there.name);
    let mut answers = match handle.clone().request(request) {
        Ok(answers) => answers,
        Err(source) => return Err(failed(source)),
    };
    while let Some(answer) = answers.next().await {
        if let NetlinkPayload::Error(error) = answer.payload
            && error.code.is_some()
        {
            return Err(failed(rtnetlink::Error::NetlinkError(error)));
        }
    }
    Ok(())
}

/// Lets everything out that waits in a pair, and limits no more.
pub async fn open(handle: &Handle, shaper: &Shaper) -> Result<(), ShaperError> {
    set_pace(handle, shaper, Pace::OPEN).await
}

/// Removes a pair, and what still waits in it.
pub async fn remove(handle: &Handle, shaper: &Shaper) -> Result<(), ShaperError> {
    match handle.link().del(shaper.enters).execute().await {
        Err(error) if !is(&error, libc::ENODEV) => Err(failed("remove", &shaper.name)(error)),
        _ => Ok(()),
    }
}

/// Removes all pairs of the agent that has this pin directory.
pub async fn remove_all(owner: &Path) -> Result<(), ShaperError> {
    let (connection, handle, _) = new_connection()?;
    tokio::spawn(connection);
    let all = list(&handle, owner).await.map_err(failed("find", PREFIX))?;
    for shaper in all.values() {
        remove(&handle, shaper).await?;
    }
    Ok(())
}

fn failed(what: &'static str, interface: &str) -> impl Fn(rtnetlink::Error) -> ShaperError {
    let interface = interface.to_owned();
    move |source| ShaperError::Netlink { what, interface: interface.clone(), source }
}

fn is(error: &rtnetlink::Error, number: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(it) if it.raw_code() == -number)
}
