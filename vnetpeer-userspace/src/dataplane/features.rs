//! What the programs need of a kernel, tried one by one.

use aya::{
    maps::MapType,
    programs::{ProgramError, ProgramType},
    sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported},
};

/// Types of the programs.
const PROGRAMS: [(ProgramType, &str); 2] =
    [(ProgramType::SchedClassifier, "TC programs"), (ProgramType::Xdp, "XDP programs")];

/// Types of the maps.
const MAPS: [(MapType, &str); 5] = [
    (MapType::Array, "array maps"),
    (MapType::PerCpuArray, "per-CPU array maps"),
    (MapType::Hash, "hash maps"),
    (MapType::RingBuf, "ring buffers"),
    (MapType::ProgramArray, "program arrays"),
];

/// Helpers of TC programs that came late or can be left out.
const TC: [(BpfHelper, &str); 6] = [
    (BpfHelper::BPF_FUNC_redirect_peer, "bpf_redirect_peer in TC"),
    (BpfHelper::BPF_FUNC_redirect_neigh, "bpf_redirect_neigh in TC"),
    (BpfHelper::BPF_FUNC_skb_adjust_room, "bpf_skb_adjust_room in TC"),
    (BpfHelper::BPF_FUNC_ringbuf_output, "bpf_ringbuf_output in TC"),
    (BpfHelper::BPF_FUNC_jiffies64, "bpf_jiffies64 in TC"),
    (BpfHelper::BPF_FUNC_ktime_get_coarse_ns, "bpf_ktime_get_coarse_ns in TC"),
];

/// Those of XDP programs.
const XDP: [(BpfHelper, &str); 4] = [
    (BpfHelper::BPF_FUNC_xdp_adjust_meta, "bpf_xdp_adjust_meta"),
    (BpfHelper::BPF_FUNC_xdp_get_buff_len, "bpf_xdp_get_buff_len"),
    (BpfHelper::BPF_FUNC_xdp_load_bytes, "bpf_xdp_load_bytes"),
    (BpfHelper::BPF_FUNC_redirect, "bpf_redirect in XDP"),
];

/// What the kernel lacks, in words. An error if it cannot be tried, mostly for want of a capability.
pub fn missing() -> Result<Vec<&'static str>, ProgramError> {
    let mut missing = Vec::new();
    for (kind, name) in PROGRAMS {
        if !is_program_supported(kind)? {
            missing.push(name);
        }
    }
    for (kind, name) in MAPS {
        if !is_map_supported(kind)? {
            missing.push(name);
        }
    }
    for (kind, helpers) in [(ProgramType::SchedClassifier, &TC[..]), (ProgramType::Xdp, &XDP[..])] {
        for (helper, name) in helpers {
            if !is_helper_supported(kind, *helper)? {
                missing.push(name);
            }
        }
    }
    Ok(missing)
}
