//! Writes of peering objects and of documents, and the states that they lead to.

use vnetpeer_tests::azure::Document;
use vnetpeer_userspace::{
    document::{self, Loaded},
    topology::state::{
        PeeringRecord, PeeringState, PeeringSyncLevel, PeeringWrite, State, StateError, advance,
        operate,
    },
};

use super::{id, peering, routes, run};

mod machine;
mod managers;
mod sync;

/// One rule with what is done and what is then seen.
pub(crate) struct StateCase {
    pub(crate) rule: &'static str,
    pub(crate) name: &'static str,
    steps: &'static [Step],
}

/// A document, made anew whenever it is needed.
type Make = fn() -> Document;

/// Something that is done.
#[derive(Clone, Copy)]
enum Write {
    /// A whole document is applied.
    Apply(Make),
    /// One peering object is written; the document is what it is afterwards.
    Put(&'static str, Make),
    /// One peering object is written with `syncRemoteAddressSpace`.
    Sync(&'static str),
    /// One peering object is deleted; the document is what it is afterwards.
    Delete(&'static str, Make),
}

enum Step {
    /// It succeeds.
    Do(Write),
    /// It is refused with this code, and changes nothing.
    Refused(Write, &'static str),
    /// A peering has this state and this level.
    Is(&'static str, PeeringState, PeeringSyncLevel),
    /// There is no such peering.
    Gone(&'static str),
    /// A peering's `remoteAddressSpace`.
    Remote(&'static str, &'static [&'static str]),
    /// A peering's `localAddressSpace`.
    Local(&'static str, &'static [&'static str]),
    /// Two peerings have one `resourceGuid`, and it is the XOR of those of the VNets.
    SameGuid([&'static str; 2], [&'static str; 2]),
    /// A NIC has this route.
    Has(&'static str, &'static str),
    /// A NIC has no route of this prefix.
    Lacks(&'static str, &'static str),
}

const HUB: &str = "hub/to-one";
const ONE: &str = "one/to-hub";

const fn case(rule: &'static str, name: &'static str, steps: &'static [Step]) -> StateCase {
    StateCase { rule, name, steps }
}

/// The hub's side alone.
fn hub() -> Document {
    Document::new().side("hub", "one")
}

/// The spoke's side alone.
fn one() -> Document {
    Document::new().side("one", "hub")
}

fn pair() -> Document {
    Document::new().peered("hub", "one")
}

/// The hub's side, and the spoke is classic.
fn classic() -> Document {
    hub().set("virtualNetworks", "one", "deploymentModel", "Classic")
}

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static StateCase> {
    machine::CASES.iter().chain(managers::CASES).chain(sync::SYNC).chain(sync::PROPERTIES)
}

/// What is in force.
struct World {
    loaded: Loaded,
    state: State,
}

impl World {
    fn record(&self, name: &str) -> Result<&PeeringRecord, String> {
        self.state.peering(&peering(name)).ok_or_else(|| format!("there is no {name}"))
    }

    fn guid(&self, vnet: &str) -> u128 {
        self.state.resource_guid(&id("virtualNetworks", vnet)).expect("a GUID").as_u128()
    }

    /// The code and the text of what refuses it.
    fn write(&mut self, write: Write) -> Result<(), (String, String)> {
        let make = match write {
            Write::Apply(make) | Write::Put(_, make) | Write::Delete(_, make) => Some(make),
            Write::Sync(_) => None,
        };
        let loaded = make.map(|make| document::load("azure.json", &make().text())).transpose();
        let loaded = loaded.map_err(|problems| {
            let code = problems.iter().next().map_or(String::new(), |it| it.code.to_string());
            (code, problems.to_string())
        })?;
        let topology = &loaded.as_ref().unwrap_or(&self.loaded).topology;
        let next = match write {
            Write::Apply(_) => advance(&self.state, topology),
            Write::Put(name, _) => {
                operate(&self.state, topology, &PeeringWrite::Put(peering(name)))
            }
            Write::Sync(name) => operate(&self.state, topology, &PeeringWrite::Sync(peering(name))),
            Write::Delete(name, _) => {
                operate(&self.state, topology, &PeeringWrite::Delete(peering(name)))
            }
        };
        let refused = |it: StateError| (it.code().unwrap_or_default().to_owned(), it.to_string());
        self.state = next.map_err(refused)?;
        if let Some(loaded) = loaded {
            self.loaded = loaded;
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Do(write) => self.write(write).map_err(|(_, text)| text),
            Step::Refused(write, code) => {
                let before = self.state.clone();
                match self.write(write) {
                    Err((seen, text)) if seen == code && text.contains(code) => {
                        equal("the state", &self.state, &before)
                    }
                    Err((seen, text)) => Err(format!("refused with {seen} and not {code}: {text}")),
                    Ok(()) => Err(format!("not refused with {code}")),
                }
            }
            Step::Is(name, state, level) => {
                let record = self.record(name)?;
                let seen = (record.peering_state, record.peering_sync_level);
                equal(name, &seen, &(state, level))
            }
            Step::Gone(name) => equal(name, &self.record(name).is_err(), &true),
            Step::Remote(name, space) => {
                equal(name, &texts(&self.record(name)?.remote_address_space), &owned(space))
            }
            Step::Local(name, space) => {
                equal(name, &texts(&self.record(name)?.local_address_space), &owned(space))
            }
            Step::SameGuid([one, other], vnets) => {
                let [a, b] = vnets.map(|vnet| self.guid(vnet));
                equal(one, &self.record(one)?.resource_guid.as_u128(), &(a ^ b))?;
                equal(other, &self.record(other)?.resource_guid.as_u128(), &(a ^ b))
            }
            Step::Has(nic, row) => {
                let rows = routes::rows(&self.loaded, &self.state, &[], nic)?;
                rows.iter()
                    .any(|it| it == row)
                    .then_some(())
                    .ok_or_else(|| format!("{rows:#?} lack {row}"))
            }
            Step::Lacks(nic, prefix) => {
                let rows = routes::rows(&self.loaded, &self.state, &[], nic)?;
                let has = rows.iter().any(|it| it.contains(&format!(" {prefix} ")));
                (!has).then_some(()).ok_or_else(|| format!("{rows:#?} have {prefix}"))
            }
        }
    }
}

fn texts(space: &[impl ToString]) -> Vec<String> {
    space.iter().map(ToString::to_string).collect()
}

fn owned(space: &[&str]) -> Vec<String> {
    texts(space)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, seen: &T, expected: &T) -> Result<(), String> {
    (seen == expected).then_some(()).ok_or_else(|| format!("{what}: {seen:?} and not {expected:?}"))
}

fn check(case: &StateCase) -> Result<(), String> {
    let loaded = super::load(&Document::new())?;
    let state = super::state(&loaded)?;
    let mut world = World { loaded, state };
    for (number, step) in (1..).zip(case.steps) {
        world.take(step).map_err(|error| format!("step {number}: {error}"))?;
    }
    Ok(())
}

#[test]
fn states_follow_writes() {
    run(all(), |case| (case.rule, case.name), check);
}
