//! Routes in the maps of `vnetpeer-routes`.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader, TestRun as _,
    maps::{
        Array, Map,
        lpm_trie::{Key, LpmTrie},
    },
    programs::{Program, SchedClassifier, TestRunOptions},
};
use vnetpeer_common::abi::{Entry, Node4, Node6, Roots};
use vnetpeer_tests::object;
use vnetpeer_userspace::topology::trie::{Finished, Interner, NodeFormat, Pool, build};

use super::layout::{Family, TABLE};

/// `struct Choice` in `vnetpeer-ebpf/src/bin/routes.rs`.
const CHOICE_LEN: usize = 32;
const NODE4_LEN: usize = size_of::<Node4>();
const NODE6_LEN: usize = size_of::<Node6>();
/// A frame that the kernel accepts for a test run.
const FRAME: [u8; 64] = [0; 64];
/// Room for nodes of a changed table.
const SPARE: u32 = 8;
/// More nodes than any number of routes here needs.
const NODES_MAX: u32 = 1 << 22;

/// Which routes are looked up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Random,
    /// Always the same one.
    Same,
}

impl Order {
    pub(super) const BOTH: [Self; 2] = [Self::Random, Self::Same];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Same => "same",
        }
    }

    /// How the choice changes: a linear congruential generator (Knuth's MMIX).
    const fn step(self) -> [u64; 2] {
        match self {
            Self::Random => [6_364_136_223_846_793_005, 1_442_695_040_888_963_407],
            Self::Same => [1, 0],
        }
    }
}

/// The loaded programs with so many routes.
pub(super) struct Tables {
    ebpf: Ebpf,
    count: u32,
}

/// What it took to put routes in, and what they take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    /// Seconds of ours and of the kernel's trie.
    pub(super) seconds: [f64; 2],
    /// Bytes of ours and of the kernel's trie.
    pub(super) bytes: [f64; 2],
}

/// Tries of all tables, as the control program builds them.
struct Built<T: NodeFormat> {
    roots: Vec<Entry>,
    nodes: Finished<T>,
}

fn built<T: NodeFormat>(family: Family, count: u32) -> Result<Built<T>> {
    let mut nodes = Interner::<T>::new(Pool::new(NODES_MAX), 1);
    let mut roots = Vec::new();
    for first in (0..count).step_by(TABLE as usize) {
        let routes = family.table(first, TABLE.min(count - first));
        let root = build(&mut nodes, &routes);
        roots.push(root.ok().context("more nodes than there can be")?);
    }
    Ok(Built { roots, nodes: nodes.finish() })
}

impl Tables {
    /// Loads the programs with maps for so many routes.
    pub(super) fn load(count: u32) -> Result<Self> {
        // The same routes need as many nodes in both families.
        let nodes = built::<Node4>(Family::V4, count)?.nodes.1.len();
        let nodes = u32::try_from(nodes).context("a number of nodes")? + 1 + SPARE;
        let object = object::route_programs();
        let mut loader = EbpfLoader::new();
        for (map, entries) in [
            ("ROUTES", count.div_ceil(TABLE)),
            ("TRIE_V4", nodes),
            ("TRIE_V6", nodes),
            ("LPM_V4", count),
            ("LPM_V6", count),
        ] {
            loader.map_max_entries(map, entries);
        }
        let mut ebpf = loader.load(&object).context("load vnetpeer-routes")?;
        for (name, program) in ebpf.programs_mut() {
            let program = <&mut SchedClassifier>::try_from(program)?;
            program.load().with_context(|| format!("load {name}"))?;
        }
        Ok(Self { ebpf, count })
    }

    /// Puts all routes of a family into both tries.
    pub(super) fn fill(&mut self, family: Family) -> Result<Filled> {
        let start = Instant::now();
        let bytes = self.write(family)?;
        let ours = start.elapsed().as_secs_f64();
        let start = Instant::now();
        match family {
            Family::V4 => self.insert::<8>(family, 0..self.count)?,
            Family::V6 => self.insert::<20>(family, 0..self.count)?,
        }
        let theirs = start.elapsed().as_secs_f64();
        Ok(Filled { seconds: [ours, theirs], bytes: [bytes, self.kernel_bytes(family)?] })
    }

    /// Builds and writes our tries; returns the bytes of nodes and roots.
    pub(super) fn write(&mut self, family: Family) -> Result<f64> {
        let (roots, nodes) = match family {
            Family::V4 => {
                let built = built::<Node4>(family, self.count)?;
                (built.roots, self.write_nodes::<_, NODE4_LEN>("TRIE_V4", &built.nodes)?)
            }
            Family::V6 => {
                let built = built::<Node6>(family, self.count)?;
                (built.roots, self.write_nodes::<_, NODE6_LEN>("TRIE_V6", &built.nodes)?)
            }
        };
        let mut map = Array::<_, [u8; size_of::<Roots>()]>::try_from(self.map("ROUTES")?)?;
        for (index, root) in (0..).zip(&roots) {
            let mut both: Roots = bytemuck::cast(map.get(&index, 0)?);
            match family {
                Family::V4 => both.v4 = *root,
                Family::V6 => both.v6 = *root,
            }
            map.set(index, bytemuck::cast::<_, [u8; size_of::<Roots>()]>(both), 0)?;
        }
        Ok(nodes + bytes(roots.len() * size_of::<Entry>()))
    }

    fn write_nodes<T: NodeFormat, const N: usize>(
        &mut self,
        map: &str,
        nodes: &Finished<T>,
    ) -> Result<f64> {
        let mut array = Array::<_, [u8; N]>::try_from(self.map(map)?)?;
        for (index, node) in &nodes.1 {
            let node: &[u8; N] = bytemuck::bytes_of(node.as_ref()).try_into()?;
            array.set(*index, node, 0).context("write a node")?;
        }
        Ok(bytes(nodes.1.len() * N))
    }

    fn insert<const N: usize>(
        &mut self,
        family: Family,
        numbers: std::ops::Range<u32>,
    ) -> Result<()> {
        let name = format!("LPM_{}", family.name().to_uppercase());
        let mut trie = LpmTrie::<_, [u8; N], u32>::try_from(self.map(&name)?)?;
        for number in numbers {
            let (len, key) = family.key(number);
            let key: [u8; N] = key.as_slice().try_into()?;
            trie.insert(&Key::new(len, key), number, 0).context("insert a route")?;
        }
        Ok(())
    }

    /// Microseconds until a route of the only table has another next hop: in our trie, and in the kernel's. The
    /// other family has no routes afterwards.
    pub(super) fn change(&mut self, family: Family) -> Result<[f64; 2]> {
        let count = TABLE.min(self.count);
        let ours = match family {
            Family::V4 => self.changed::<Node4, NODE4_LEN>(family, "TRIE_V4", count)?,
            Family::V6 => self.changed::<Node6, NODE6_LEN>(family, "TRIE_V6", count)?,
        };
        let start = Instant::now();
        match family {
            Family::V4 => self.insert::<8>(family, 0..1)?,
            Family::V6 => self.insert::<20>(family, 0..1)?,
        }
        Ok([ours, start.elapsed().as_secs_f64() * 1e6])
    }

    fn changed<T: NodeFormat, const N: usize>(
        &mut self,
        family: Family,
        map: &str,
        count: u32,
    ) -> Result<f64> {
        let pool = built::<T>(family, count)?.nodes.0;
        let mut routes = family.table(0, count);
        if let Some(route) = routes.get_mut(count as usize / 2) {
            route.leaf = Entry::leaf(count);
        }
        let start = Instant::now();
        let mut nodes = Interner::<T>::new(pool, 2);
        let root = build(&mut nodes, &routes).ok().context("more nodes than there can be")?;
        let finished = nodes.finish();
        self.write_nodes::<_, N>(map, &finished)?;
        let mut roots = Array::<_, [u8; size_of::<Roots>()]>::try_from(self.map("ROUTES")?)?;
        let both = match family {
            Family::V4 => Roots { v4: root, ..Roots::default() },
            Family::V6 => Roots { v6: root, ..Roots::default() },
        };
        roots.set(0, bytemuck::cast::<_, [u8; size_of::<Roots>()]>(both), 0)?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    }

    fn kernel_bytes(&self, family: Family) -> Result<f64> {
        let name = format!("LPM_{}", family.name().to_uppercase());
        let Some(Map::LpmTrie(map)) = self.ebpf.map(&name) else {
            anyhow::bail!("no map {name}");
        };
        let path = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let field = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        Ok(field.context("no memlock")?.trim().parse()?)
    }

    fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))
    }

    /// Nanoseconds of one run of a program, each on one route.
    pub(super) fn time(&mut self, program: &str, order: Order, runs: u32) -> Result<f64> {
        let mut choice = [0; CHOICE_LEN];
        let [factor, addend] = order.step();
        for (place, value) in choice.chunks_exact_mut(8).zip([1 << 63, factor, addend]) {
            place.copy_from_slice(&u64::to_ne_bytes(value));
        }
        choice[24..28].copy_from_slice(&self.count.to_ne_bytes());
        Array::<_, [u8; CHOICE_LEN]>::try_from(self.map("CHOICE")?)?.set(0, choice, 0)?;
        // The first pass brings into the caches what stays there.
        self.repeat(program, runs)?;
        let time = self.repeat(program, runs)?;
        let after = Array::<_, [u8; CHOICE_LEN]>::try_from(self.map("CHOICE")?)?.get(&0, 0)?;
        ensure!(after[28..32] == [0; 4], "{program}: lookups that found another route");
        Ok(time)
    }

    fn repeat(&self, program: &str, runs: u32) -> Result<f64> {
        let Some(Program::SchedClassifier(program)) = self.ebpf.program(program) else {
            anyhow::bail!("no program {program}");
        };
        let options =
            TestRunOptions { data_in: Some(&FRAME), repeat: runs, ..TestRunOptions::new() };
        let result = program.test_run(options).context("BPF_PROG_TEST_RUN")?;
        let nanoseconds = u32::try_from(result.duration.as_nanos()).context("a short duration")?;
        Ok(f64::from(nanoseconds))
    }
}

#[expect(clippy::cast_precision_loss, reason = "maps have far less than 2^52 bytes")]
const fn bytes(number: usize) -> f64 {
    number as f64
}
