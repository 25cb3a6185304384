//! Service tags: those that are built in, and the document's own.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{
    super::{
        code::Code,
        decode::List,
        problem::{Finding, Findings},
        scalar::is_tag_name,
        source::Span,
        suggest::closest,
        types,
    },
    incomplete,
};
use crate::topology::model::ServiceTag;

/// Where Azure's platform services and the probes of its load balancers are.
const PLATFORM: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// Where the probes of Azure's load balancers come from in IPv6: the virtual router's address.
const ROUTER: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x1234, 0x5678, 0x9abc));

/// The instance metadata service.
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// The licensing service.
const LICENSING: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(20, 118, 99, 224)),
    IpAddr::V4(Ipv4Addr::new(40, 83, 235, 53)),
    IpAddr::V4(Ipv4Addr::new(23, 102, 135, 246)),
];

/// Tags of fixed addresses that are built in, and whether they are about the platform.
const FIXED: [(&str, &[IpAddr], bool); 4] = [
    ("AzureLoadBalancer", &[PLATFORM, ROUTER], false),
    ("AzurePlatformDNS", &[PLATFORM], true),
    ("AzurePlatformIMDS", &[METADATA], true),
    ("AzurePlatformLKM", &LICENSING, true),
];

/// All service tags.
pub(super) struct ServiceTags {
    /// By name in lower case: tag names are case-insensitive.
    tags: HashMap<String, ServiceTag>,
    /// Names in their own spelling, for suggestions.
    names: Vec<String>,
    /// Whether some tag could not be read: an unknown name may then be its.
    incomplete: bool,
}

impl ServiceTags {
    fn built_in() -> Self {
        let mut tags = Self { tags: HashMap::new(), names: Vec::new(), incomplete: false };
        tags.add("VirtualNetwork", ServiceTag::VirtualNetwork);
        tags.add("Internet", ServiceTag::Internet);
        for (name, addresses, platform) in FIXED {
            let prefixes = addresses.iter().copied().map(IpNet::from).collect();
            tags.add(name, ServiceTag::Prefixes { name: name.to_owned(), prefixes, platform });
        }
        tags
    }

    fn add(&mut self, name: &str, tag: ServiceTag) {
        self.names.push(name.to_owned());
        self.tags.insert(name.to_ascii_lowercase(), tag);
    }

    /// The tag of this name. `None` if that was reported, or cannot be known because a tag could
    /// not be read.
    pub(super) fn find(
        &self,
        name: &str,
        span: Span,
        findings: &mut Findings,
    ) -> Option<&ServiceTag> {
        let found = self.tags.get(&name.to_ascii_lowercase());
        if found.is_none() && !self.incomplete {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let define = "the document's `serviceTags` define tags that are not built in";
            let help = match closest(name, &names) {
                _ if name.eq_ignore_ascii_case("any") => "write \"*\" for any address".to_owned(),
                Some(similar) => format!("did you mean `{similar}`? If not: {define}"),
                None => format!("add `{name}` with its addressPrefixes: {define}"),
            };
            let message = format!("service tag `{name}` is neither built in nor in the document");
            let code = Code::SecurityRuleInvalidAddressPrefix;
            findings.push(Finding::error(code, span, message).help(help));
        }
        found
    }
}

pub(super) fn collect(
    list: Option<&List<types::ServiceTag>>,
    findings: &mut Findings,
) -> ServiceTags {
    let mut tags = ServiceTags::built_in();
    let mut spans: HashMap<String, Span> = HashMap::new();
    tags.incomplete = incomplete(list);
    for tag in list.into_iter().flatten() {
        let Some(name) = tag.name.as_ref() else {
            tags.incomplete = true;
            continue;
        };
        let folded = name.value.to_ascii_lowercase();
        if !is_tag_name(&name.value) {
            let message = format!("the name `{}` of a service tag is invalid", name.value);
            findings.push(Finding::error(Code::InvalidResourceName, name.span, message).help(
                "a name has up to 80 characters, begins with a letter, and has only letters, \
                 digits, `.`, `-` and `_`",
            ));
        } else if let Some(first) = spans.get(&folded) {
            let message = format!("service tag `{}` exists twice", name.value);
            findings.push(
                Finding::error(Code::DuplicateResource, name.span, message)
                    .help("rename one of them")
                    .note(*first, "first here"),
            );
        } else if tags.tags.contains_key(&folded) {
            let message = format!("service tag `{}` is built in", name.value);
            findings.push(
                Finding::error(Code::DuplicateResource, name.span, message)
                    .help("choose another name: what a built-in tag means cannot be changed"),
            );
        } else {
            let prefixes = tag.address_prefixes.iter().flatten().map(|prefix| prefix.value);
            let prefixes = prefixes.collect();
            let model =
                ServiceTag::Prefixes { name: name.value.clone(), prefixes, platform: false };
            tags.add(&name.value, model);
            spans.insert(folded, name.span);
        }
    }
    tags
}
