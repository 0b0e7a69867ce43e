//! What the tests need beyond Cargo: a nats-server to compare with and a Python with nats-py.
//!
//! Installs both where that is allowed (root on a machine with apt-get); elsewhere it names the
//! missing piece and how to get it. Nothing is ever skipped: a test that cannot run must not look
//! like one that passed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exact Python requirement; a change of this line rebuilds the environment.
const REQUIREMENT: &str = "nats-py==2.16.0";

/// Where Debian puts servers; not on an ordinary user's PATH.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

/// What the test steps are started with.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// A Python that can `import nats`.
    pub(crate) python: PathBuf,
    /// The caller's PATH, then the folders where servers are installed.
    pub(crate) path: OsString,
}

/// Makes sure everything is there, installing what may be installed.
pub(crate) fn prepare(root: &Path) -> Result<Prepared, String> {
    let path = search_path(std::env::var_os("PATH").as_deref())?;
    if find("nats-server", &path).is_none() {
        let advice = "install nats-server 2.9 or later (Debian, Ubuntu: \
            `sudo apt-get install nats-server`; others: https://nats.io/download) on PATH";
        install(&["nats-server"], advice)?;
        find("nats-server", &path).ok_or(advice)?;
    }
    let python = python_environment(root, &path)?;
    Ok(Prepared { python, path })
}

/// The caller's PATH with the system folders it lacks behind it.
fn search_path(path: Option<&OsStr>) -> Result<OsString, String> {
    let mut folders: Vec<PathBuf> = path.map(std::env::split_paths).into_iter().flatten().collect();
    for folder in SYSTEM_FOLDERS.map(PathBuf::from) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    std::env::join_paths(folders).map_err(|error| format!("PATH cannot be extended: {error}"))
}

fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A virtual environment under the target folder that has the requirement; returns its Python.
fn python_environment(root: &Path, path: &OsStr) -> Result<PathBuf, String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = root.join(target).join("test-python");
    let python = folder.join("bin/python");
    let stamp = folder.join("requirement.txt");
    let current = fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENT);
    // A system Python that was upgraded leaves a dangling link, so run it rather than look at it.
    if current && succeeds(Command::new(&python).args(["-c", "import nats"])) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .map_err(|error| format!("{} cannot be removed: {error}", folder.display()))?;
    }
    let advice = "install Python 3 with its venv module \
        (Debian, Ubuntu: `sudo apt-get install python3 python3-venv`)";
    if !create_environment(&folder, path) {
        install(&["python3", "python3-venv"], advice)?;
        if !create_environment(&folder, path) {
            return Err(advice.to_owned());
        }
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]);
    if !succeeds(&mut pip) {
        return Err(format!(
            "pip could not install {REQUIREMENT}; see its message above, then try \
             `{} -m pip install {REQUIREMENT}`",
            python.display()
        ));
    }
    fs::write(&stamp, REQUIREMENT)
        .map_err(|error| format!("{} cannot be written: {error}", stamp.display()))?;
    Ok(python)
}

fn create_environment(folder: &Path, path: &OsStr) -> bool {
    find("python3", path)
        .is_some_and(|python| succeeds(Command::new(python).args(["-m", "venv"]).arg(folder)))
}

/// Installs Debian packages if this user may; otherwise fails with `advice`.
fn install(packages: &[&str], advice: &str) -> Result<(), String> {
    let apt = Path::new("/usr/bin/apt-get");
    if !apt.is_file() || !is_root() {
        return Err(advice.to_owned());
    }
    println!("xtask: apt-get install {}", packages.join(" "));
    let apt_get = |args: &[&str]| {
        let mut command = Command::new(apt);
        // RUNLEVEL keeps Debian from starting a server it just installed on the default port.
        command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1").args(args);
        succeeds(&mut command)
    };
    // A failing update (one mirror of many) need not matter: the install decides.
    apt_get(&["update", "-qq"]);
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend_from_slice(packages);
    if apt_get(&args) {
        Ok(())
    } else {
        Err(format!("apt-get could not install {}: {advice}", packages.join(" ")))
    }
}

/// Whether the effective user is root, read from the kernel since std cannot ask.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1))
        .is_some_and(|effective| effective == "0")
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests;
