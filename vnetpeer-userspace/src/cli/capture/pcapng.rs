//! pcapng (draft-ietf-opsawg-pcapng): the three blocks that a capture needs. The crates for it are without a
//! release that is kept, and this is less than their interface.

use std::{collections::BTreeMap, io::Write};

use anyhow::Context as _;
use jiff::Timestamp;
use vnetpeer_common::wire::ethertype;

use crate::agent::api::{PacketStage, SeenPacket};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Tells the reader the order of bytes.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// The length of a section that nobody counted.
const LENGTH_UNKNOWN: u64 = u64::MAX;
const LINK_ETHERNET: u16 = 1;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_APPLICATION: u16 = 4;
const OPTION_INTERFACE_NAME: u16 = 2;
/// Where the IP header lies behind an Ethernet header, and its type before it.
const IP_AT: usize = 14;
const TYPE_AT: usize = 12;

/// Writes a capture. Every stage of every host is an interface.
pub(in crate::cli) struct Writer<W: Write> {
    out: W,
    interfaces: BTreeMap<(String, PacketStage), u32>,
}

impl<W: Write> Writer<W> {
    pub(in crate::cli) fn new(out: W) -> anyhow::Result<Self> {
        let mut writer = Self { out, interfaces: BTreeMap::new() };
        let mut body = Vec::new();
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend(1_u16.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend(LENGTH_UNKNOWN.to_le_bytes());
        option(&mut body, OPTION_APPLICATION, concat!("vnetpeer ", env!("CARGO_PKG_VERSION")));
        body.extend([0; 4]);
        writer.block(SECTION_HEADER, &body)?;
        Ok(writer)
    }

    /// Writes a packet that came with bytes of its frame, once for each of its stages.
    pub(in crate::cli) fn packet(
        &mut self,
        packet: &SeenPacket,
        comment: &str,
    ) -> anyhow::Result<()> {
        let time: Timestamp = packet.time.parse().context("the time of a packet")?;
        let time = u64::try_from(time.as_microsecond()).unwrap_or_default().to_be_bytes();
        let [high, low] = [time.first_chunk::<4>(), time.last_chunk::<4>()]
            .map(|it| it.copied().map_or(0, u32::from_be_bytes));
        for stage in &packet.stages {
            let mut frame = bytes(packet.frame.as_deref().unwrap_or_default());
            if packet.source_address.is_some() && *stage != PacketStage::Encapsulated {
                name_family(&mut frame);
            }
            let captured = u32::try_from(frame.len()).context("a frame of sane length")?;
            let interface = self.interface(&packet.host, *stage)?;
            let mut body = Vec::new();
            let len = packet.frame_length.unwrap_or(captured).max(captured);
            for word in [interface, high, low, captured, len] {
                body.extend(word.to_le_bytes());
            }
            body.extend(&frame);
            pad(&mut body);
            option(&mut body, OPTION_COMMENT, &format!("{}: {comment}", packet.verdict));
            body.extend(OPTION_END.to_le_bytes());
            body.extend(0_u16.to_le_bytes());
            self.block(ENHANCED_PACKET, &body)?;
        }
        Ok(())
    }

    pub(in crate::cli) fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush().context("cannot write the capture")
    }

    fn interface(&mut self, host: &str, stage: PacketStage) -> anyhow::Result<u32> {
        let key = (host.to_owned(), stage);
        if let Some(known) = self.interfaces.get(&key) {
            return Ok(*known);
        }
        let mut body = Vec::new();
        body.extend(LINK_ETHERNET.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend(0_u32.to_le_bytes());
        let name = format!("{stage:?}").to_lowercase();
        option(&mut body, OPTION_INTERFACE_NAME, &format!("{host}:{name}"));
        body.extend([0; 4]);
        self.block(INTERFACE_DESCRIPTION, &body)?;
        let number = u32::try_from(self.interfaces.len()).context("fewer interfaces")?;
        self.interfaces.insert(key, number);
        Ok(number)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> anyhow::Result<()> {
        let len = u32::try_from(body.len() + 12).context("a block of sane length")?.to_le_bytes();
        let parts: [&[u8]; 4] = [&kind.to_le_bytes(), &len, body, &len];
        self.out.write_all(&parts.concat()).context("cannot write the capture")
    }
}

fn option(body: &mut Vec<u8>, code: u16, text: &str) {
    let text = text.as_bytes();
    let text = text.get(..usize::from(u16::MAX)).unwrap_or(text);
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(text);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |it: char| it.to_digit(16).and_then(|it| u8::try_from(it).ok());
    let digits: Vec<u8> = hex.chars().filter_map(digit).collect();
    let byte = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    digits.chunks_exact(2).map(byte).collect()
}

/// After decapsulation the Ethernet header is still to be written, and its type may be that of the underlay.
fn name_family(frame: &mut [u8]) {
    let kind = match frame.get(IP_AT).map(|first| first >> 4) {
        Some(4) => ethertype::IPV4,
        Some(6) => ethertype::IPV6,
        _ => return,
    };
    if let Some(place) = frame.get_mut(TYPE_AT..IP_AT) {
        place.copy_from_slice(&kind.to_be_bytes());
    }
}
