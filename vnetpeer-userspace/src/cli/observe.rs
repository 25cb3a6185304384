//! `vnetpeer observe`.

use std::io::{self, Write as _};

use clap::Args;

use super::{
    Exit, Global,
    flows::protocol_name,
    output::{Format, short},
    watching::{Bounds, Filter, watch},
};
use crate::agent::api::{PacketStage, SeenPacket};

#[derive(Args, Debug)]
#[command(
    after_help = "Runs until Ctrl-C. With -o json every event is one line. Events that could not be told in time \
                  are counted at the end.\n\nExamples:\n  vnetpeer observe\n  \
                  vnetpeer observe --verdict dropped --nic spoke1-vm\n  \
                  vnetpeer observe --reason InboundRuleDenied --port 443 -o json\n  \
                  vnetpeer observe --peering hub/hub-to-spoke1 --count 10"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    bounds: Bounds,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let stages = [PacketStage::Dropped, PacketStage::Opened];
    let request = arguments.filter.request(&stages, 0, global).await?;
    let ready = || eprintln!("observing; Ctrl-C ends");
    let totals = watch(&request, &arguments.bounds, global, ready, |it| print(it, global)).await?;
    eprintln!("{} seen, {} lost", totals.seen, totals.lost);
    Ok(Exit::Done)
}

/// One event. A reader that went away (`| head`) is no error of ours, but ends the command.
fn print(packet: &SeenPacket, global: &Global) -> anyhow::Result<()> {
    let value = match &global.query {
        Some(query) => query.apply(serde_json::to_value(packet)?)?,
        None => serde_json::to_value(packet)?,
    };
    let text = match global.output {
        Format::Table if global.query.is_none() => line(packet),
        Format::Table | Format::Json => value.to_string(),
        Format::Yaml => format!("---\n{}", serde_saphyr::to_string(&value)?.trim_end()),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())?;
    Ok(())
}

/// An event on one line.
pub(super) fn line(packet: &SeenPacket) -> String {
    let time = packet.time.get(11..23).unwrap_or_default();
    let end = |address: &Option<String>, port: Option<u16>| match (address, port) {
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address.clone(),
        (None, _) => "-".to_owned(),
    };
    let mut words = vec![
        time.to_owned(),
        format!("{:<7}", packet.verdict.to_uppercase()),
        packet.protocol.map_or_else(|| "-".to_owned(), protocol_name),
        end(&packet.source_address, packet.source_port),
        "->".to_owned(),
        end(&packet.destination_address, packet.destination_port),
        format!("{} B", packet.bytes),
    ];
    words.extend(about(packet));
    words.join(" ")
}

/// Why, with names.
pub(super) fn about(packet: &SeenPacket) -> Vec<String> {
    let named =
        |what: &str, id: &Option<String>| id.as_deref().map(|id| format!("{what}={}", short(id)));
    let rule = packet.rule.as_ref().map(|rule| match (&rule.group, &rule.name) {
        (Some(group), Some(name)) => format!("rule={}/{}", short(group), short(name)),
        _ => format!("rule=#{}", rule.number),
    });
    let route = packet.route.as_ref().map(|route| {
        let name = route.name.as_ref().map_or_else(String::new, |name| format!("({name})"));
        format!("route={}->{}{name}", route.address_prefix, route.next_hop_type)
    });
    let from = packet.source_network_interface.as_ref();
    let from = from.filter(|_| packet.source_network_interface != packet.network_interface);
    [
        packet.reason.as_ref().map(|reason| format!("reason={reason}")),
        rule,
        route,
        named("peering", &packet.peering),
        named("nic", &packet.network_interface),
        named("from", &from.cloned()),
        Some(format!("host={}", packet.host)),
    ]
    .into_iter()
    .flatten()
    .collect()
}
