//! What load balancers are made of.

use schemars::{Schema, json_schema};

use super::{Keyword, keyword, keywords, refusal, rule::number, words};
use crate::{
    document::{
        code::Code,
        decode::{Refusal, Scalar},
        tree::Value,
    },
    topology::model::{BalancedProtocol, LoadBalancerSku, LoadDistribution},
};

/// `tier` of a load balancer's SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum BalancerTier {
    Regional,
}

/// `protocol` of a health probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::document) enum ProbeWord {
    Tcp,
    Http,
}

keywords!(LoadBalancerSku, "Basic or Standard", [
    "Basic" => Some(Self::Basic),
    "Standard" => Some(Self::Standard),
    "Gateway" => None,
]);
keywords!(BalancerTier, "Regional", [
    "Regional" => Some(Self::Regional),
    "Global" => None,
]);
keywords!(ProbeWord, "Tcp or Http", [
    "Tcp" => Some(Self::Tcp),
    "Http" => Some(Self::Http),
    "Https" => None,
]);
keywords!(BalancedProtocol, "Tcp, Udp or All", [
    "Tcp" => Some(Self::Tcp),
    "Udp" => Some(Self::Udp),
    "All" => Some(Self::All),
]);
keywords!(LoadDistribution, "Default, SourceIP or SourceIPProtocol", [
    "Default" => Some(Self::Default),
    "SourceIP" => Some(Self::SourceIP),
    "SourceIPProtocol" => Some(Self::SourceIPProtocol),
]);

number! {
    /// `frontendPort` of a rule.
    FrontendPort: u16 = 0..=65_534, "a port from 0 to 65534", InvalidPropertyValue
}
number! {
    /// `backendPort` of a rule.
    BackendPort: u16 = 0..=65_535, "a port from 0 to 65535", InvalidPropertyValue
}
number! {
    /// `port` of a health probe.
    ProbePort: u16 = 1..=65_535, "a port from 1 to 65535", InvalidPropertyValue
}
number! {
    /// `intervalInSeconds` of a health probe.
    ProbeInterval: u32 = 5..=86_400, "a number of seconds from 5 to 86400", InvalidPropertyValue
}
number! {
    /// `probeThreshold` and `numberOfProbes` of a health probe.
    ProbeThreshold: u32 = 1..=100, "a number from 1 to 100", InvalidPropertyValue
}
