//! Up, prove, show, down: what `vnetpeer lab run` does.

use std::{fmt::Write as _, io::Write as _};

use super::{Lab, LabError, Options, signals::Signals, up_unless};
use crate::topology::model::{HookMode, Topology};

/// What a run showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every verdict was as expected.
    AsExpected,
    /// Some verdict was not.
    Differs,
    /// A signal came before that was known.
    Interrupted,
}

/// Builds a lab, measures who reaches whom, and takes the lab down: at once with `once`, else when a
/// signal asks for it. `show` adds what it knows: effective routes, meters.
pub async fn run<E: From<LabError>>(
    options: &Options,
    once: bool,
    show: impl AsyncFnOnce(&Lab) -> Result<String, E>,
) -> Result<Outcome, E> {
    let mut signals = Signals::new()?;
    let lab = match up_unless(options, &mut signals).await {
        Ok(lab) => lab.guarded(),
        Err(LabError::Interrupted) => return Ok(Outcome::Interrupted),
        Err(error) => return Err(error.into()),
    };
    let proven = tokio::select! {
        biased;
        () = signals.next() => Ok(Outcome::Interrupted),
        proven = prove(&lab, show) => proven,
    };
    if !once && matches!(proven, Ok(Outcome::AsExpected | Outcome::Differs)) {
        print(&farewell(&lab));
        signals.next().await;
    }
    lab.down().await?;
    proven
}

async fn prove<E: From<LabError>>(
    lab: &Lab,
    show: impl AsyncFnOnce(&Lab) -> Result<String, E>,
) -> Result<Outcome, E> {
    print(&overview(lab));
    let matrix = lab.matrix().await?;
    print(&format!("\n{}\n", matrix.render()));
    print(&show(lab).await?);
    Ok(if matrix.all_equal() { Outcome::AsExpected } else { Outcome::Differs })
}

/// What is where.
fn overview(lab: &Lab) -> String {
    let (record, topology) = (lab.record(), lab.topology());
    let backbone = if topology.wire { "wire-like" } else { "plain" };
    let mut text =
        format!("lab {} from {} ({backbone} backbone)\n", record.name, record.file.display());
    for (index, (host, at)) in topology.hosts.iter().zip(&record.hosts).enumerate() {
        let addresses: Vec<String> =
            host.underlay_addresses.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  {:<20} {:<40} {}", host.name, at.namespace, addresses.join(" "));
        for (nic, guest) in topology.nics.iter().zip(&record.nics) {
            if nic.host.0 != index {
                continue;
            }
            let addresses: Vec<String> = nic.addresses.iter().map(ToString::to_string).collect();
            let name = format!(
                "{} ({}{})",
                nic.id.name(),
                vnet_name(topology, nic.vnet.0),
                hook(nic.mode)
            );
            let _ =
                writeln!(text, "    {name:<28} {:<30} {}", guest.namespace, addresses.join(" "));
        }
    }
    text
}

fn vnet_name(topology: &Topology, vnet: usize) -> &str {
    topology.vnets.get(vnet).map_or("", |vnet| vnet.id.name())
}

fn hook(mode: HookMode) -> &'static str {
    match mode {
        HookMode::Auto | HookMode::Tc => "",
        HookMode::Xdp => ", xdp",
    }
}

fn farewell(lab: &Lab) -> String {
    let nic = lab.record().nics.first().map_or("NIC", |nic| nic.id.name());
    format!(
        "\nthe lab is up; in another terminal: vnetpeer lab exec {nic} -- ip address\n\
         end it with Ctrl-C\n"
    )
}

/// A closed output, as of `| head`, does not keep the lab from being taken down.
fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}
