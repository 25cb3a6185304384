//! What the machine starts with: a Debian kernel, and all the rest as the kernel's first file system in memory.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::shell;

/// The first process.
const INIT: &str = include_str!("init.sh");
const FOLDERS: [&str; 8] = ["bin", "lib", "lib64", "proc", "sys", "dev", "tmp", "modules"];
/// Kernel modules that the checks need and that need no other.
const MODULES: [&str; 2] = ["veth", "pktgen"];
/// Where programs expect what loads them.
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";

/// What a machine starts with.
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) memory: PathBuf,
}

/// What is put into it.
pub(super) struct Content<'c> {
    /// The kernel's package, or one that only names another.
    pub(super) package: &'c str,
    /// Programs for its folder `bin`.
    pub(super) programs: &'c [PathBuf],
    /// The BPF object.
    pub(super) object: &'c Path,
}

impl Image {
    /// Makes one in a folder, out of packages that are fetched and not installed.
    pub(super) fn make(folder: &Path, content: &Content<'_>) -> Result<Self> {
        let package = real_package(content.package)?;
        let unpacked = folder.join("kernel");
        unpack(folder, &package, &unpacked)?;
        let tools = folder.join("tools");
        unpack(folder, "busybox-static", &tools)?;
        let busybox = tools.join("bin/busybox");
        let root = folder.join("root");
        for it in FOLDERS {
            fs::create_dir_all(root.join(it)).with_context(|| format!("make {it}"))?;
        }
        copy(&busybox, &root.join("bin/busybox"))?;
        for program in content.programs {
            add_program(&root, program)?;
        }
        copy(content.object, &root.join("vnetpeer.o"))?;
        add_modules(&root, &unpacked.join("lib/modules"))?;
        let init = root.join("init");
        fs::write(&init, INIT).context("write init")?;
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).context("chmod init")?;
        let memory = folder.join("memory.cpio.gz");
        pack(&busybox, &root, &memory)?;
        Ok(Self { kernel: kernel_in(&unpacked.join("boot"))?, memory })
    }
}

/// The package of a kernel: `linux-image-amd64` only names the newest.
fn real_package(name: &str) -> Result<String> {
    let depends = shell::capture(Command::new("apt-cache").args(["depends", "--important", name]))
        .with_context(|| format!("find {name}; if it is new, run as root: apt-get update"))?;
    let named = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = named.map(str::trim).find(|it| it.starts_with("linux-image-"));
    Ok(kernel.unwrap_or(name).to_owned())
}

fn unpack(folder: &Path, package: &str, into: &Path) -> Result<()> {
    shell::run(Command::new("apt-get").current_dir(folder).args(["-q", "download", package]))?;
    let prefix = format!("{package}_");
    let entries = fs::read_dir(folder).context("read the folder")?.filter_map(Result::ok);
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&prefix) && path.extension().is_some_and(|it| it == "deb")
    };
    let file = entries.map(|it| it.path()).find(is_it);
    let file = file.with_context(|| format!("apt-get left no file of {package}"))?;
    shell::run(Command::new("dpkg-deb").arg("-x").arg(file).arg(into))
}

fn kernel_in(boot: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(boot).with_context(|| format!("read {}", boot.display()))?;
    let mut paths = entries.filter_map(|it| Some(it.ok()?.path()));
    let is_kernel = |path: &PathBuf| path.to_string_lossy().contains("/vmlinuz-");
    paths.find(is_kernel).context("the package has no kernel")
}

/// A program, and the libraries that it names.
fn add_program(root: &Path, program: &Path) -> Result<()> {
    let name = program.file_name().context("a program has a name")?;
    copy(program, &root.join("bin").join(name))?;
    for line in shell::capture(Command::new("ldd").arg(program))?.lines() {
        let Some(path) = line.split_whitespace().find(|word| word.starts_with('/')) else {
            continue;
        };
        let library = Path::new(path);
        if path.ends_with(LOADER) {
            copy(library, &root.join(LOADER))?;
        } else {
            let name = library.file_name().context("a library has a name")?;
            copy(library, &root.join("lib").join(name))?;
        }
    }
    Ok(())
}

fn add_modules(root: &Path, modules: &Path) -> Result<()> {
    for name in MODULES {
        let mut find = Command::new("find");
        let found = shell::capture(find.arg(modules).args(["-name", &format!("{name}.ko*")]))?;
        let Some(path) = found.lines().next() else { continue };
        let to = root.join("modules").join(format!("{name}.ko"));
        match path.rsplit_once('.').map(|it| it.1) {
            Some("ko") => copy(Path::new(path), &to)?,
            Some("xz") => {
                let file = fs::File::create(&to).context("create a module")?;
                let mut xz = Command::new("xz");
                shell::run(xz.args(["-d", "-c", path]).stdout(file))?;
            }
            _ => bail!("{path} is packed in an unknown way"),
        }
    }
    Ok(())
}

/// Packs a folder as the kernel reads it.
fn pack(busybox: &Path, root: &Path, to: &Path) -> Result<()> {
    let mut find = Command::new("find")
        .arg(".")
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .context("start `find`")?;
    let names = find.stdout.take().context("the names of the files")?;
    let mut archive = Command::new(busybox)
        .args(["cpio", "-o", "-H", "newc"])
        .current_dir(root)
        .stdin(names)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("start `busybox cpio`")?;
    let bytes = archive.stdout.take().context("the archive")?;
    let file = fs::File::create(to).with_context(|| format!("create {}", to.display()))?;
    let packed = Command::new("gzip").arg("-1").stdin(bytes).stdout(file).status();
    let is_packed = find.wait()?.success() && archive.wait()?.success() && packed?.success();
    ensure!(is_packed, "cannot pack {}", root.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
        .map(drop)
}
