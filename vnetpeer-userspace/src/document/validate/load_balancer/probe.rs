//! Health probes.

use super::{
    super::{
        super::{
            code::Code,
            decode::List,
            names::Named,
            problem::{Finding, Findings},
            scalar::ProbeWord,
            types::{Child, ProbeProperties},
        },
        PartNames,
    },
    part,
};
use crate::topology::model::{Probe, ProbeProtocol};

const INTERVAL_SECONDS: u32 = 15;
const THRESHOLD: u32 = 2;

/// Reads the probes of a load balancer. One that cannot be read is left out.
pub(super) fn read(
    balancer: &Named,
    list: Option<&List<Child<ProbeProperties>>>,
    findings: &mut Findings,
) -> Vec<Probe> {
    let mut names = PartNames::default();
    let mut probes = Vec::new();
    for child in list.into_iter().flatten() {
        let Some(name) = child.name.as_ref() else { continue };
        names.add("probe", name, findings);
        let properties = child.properties.as_ref();
        let protocol = properties.and_then(|it| protocol(it, name.span, findings));
        let threshold =
            properties.and_then(|it| it.probe_threshold.as_ref().or(it.number_of_probes.as_ref()));
        let interval = properties.and_then(|it| it.interval_in_seconds.as_ref());
        let port = properties.and_then(|it| it.port.as_ref());
        // What could not be read was reported, and nothing comes of the document then.
        probes.push(Probe {
            id: part(balancer, "probes", name).id,
            protocol: protocol.unwrap_or(ProbeProtocol::Tcp),
            port: port.map_or(0, |it| it.value.0),
            interval_seconds: interval.map_or(INTERVAL_SECONDS, |it| it.value.0),
            threshold: threshold.map_or(THRESHOLD, |it| it.value.0),
        });
    }
    probes
}

fn protocol(
    properties: &ProbeProperties,
    span: super::super::super::source::Span,
    findings: &mut Findings,
) -> Option<ProbeProtocol> {
    let word = properties.protocol.as_ref()?;
    match (word.value, properties.request_path.as_ref()) {
        (ProbeWord::Tcp, None) => Some(ProbeProtocol::Tcp),
        (ProbeWord::Tcp, Some(path)) => {
            let message = "a probe of protocol Tcp has no requestPath";
            findings.push(
                Finding::error(Code::ConflictingProperties, path.span, message)
                    .help("remove requestPath, or write protocol: Http")
                    .note(word.span, "the protocol"),
            );
            None
        }
        (ProbeWord::Http, None) => {
            let message = "a probe of protocol Http needs a requestPath";
            findings.push(
                Finding::error(Code::MissingProperty, span, message)
                    .help("add requestPath, `/` for instance"),
            );
            None
        }
        (ProbeWord::Http, Some(path)) if is_path(&path.value) => {
            Some(ProbeProtocol::Http(path.value.clone()))
        }
        (ProbeWord::Http, Some(path)) => {
            let message = format!("`{}` is not the path of a request", path.value);
            findings.push(
                Finding::error(Code::InvalidPropertyValue, path.span, message)
                    .help("write a path such as /healthz, of printable ASCII without spaces"),
            );
            None
        }
    }
}

/// A path that fits into a request line as it is.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= 2_048 && path.bytes().all(|it| it.is_ascii_graphic())
}
