//! How is the real binary started beside the mock exchange, and what does it cost?

use super::{client::connect, now_ns, text::digits};
use anyhow::{Context as _, bail};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) id: u32,
    pub(crate) address: SocketAddr,
    /// Holds the configuration as long as the process lives.
    _folder: Option<TempDir>,
}

impl Process {
    /// Starts a program that will listen on `address`.
    pub(crate) fn start(command: &mut Command, address: SocketAddr, folder: Option<TempDir>) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { id: child.id(), child, address, _folder: folder })
    }

    /// Starts `tapedeck serve` over the exchange at `venue`; `server` are more lines of that section.
    pub(crate) fn tapedeck(
        venue: SocketAddr,
        symbols: &[&str],
        ring_trades: usize,
        server: &str,
    ) -> anyhow::Result<Self> {
        let (address, folder) = (free_address()?, tempfile::tempdir()?);
        let file = folder.path().join("tapedeck.toml");
        let text = format!(
            "symbols = {symbols:?}\n[server]\nlisten = \"{address}\"\n{server}\n[ring]\ntrades = {ring_trades}\n[store]\ndir = {:?}\n\
             [venue.binance]\nrest_url = \"http://{venue}\"\nws_url = \"ws://{venue}\"\n[log]\nlevel = \"warn\"\n",
            folder.path().join("data")
        );
        fs::write(&file, text)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
        command.arg("serve").arg("--config").arg(&file).env_clear();
        let mut process = Self::start(&mut command, address, Some(folder))?;
        connect(address)?;
        if let Some(status) = process.child.try_wait()? {
            bail!("tapedeck ended at once: {status}");
        }
        Ok(process)
    }

    /// CPU time of all its threads, to the nanosecond.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        let mut total_ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            total_ns += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(total_ns)
    }

    /// A figure of `/proc/PID/status`, such as `VmHWM`.
    pub(crate) fn memory_kib(&self, name: &str) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|line| digits(line.trim_start().as_bytes())).with_context(|| format!("no {name} in /proc"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("process {} was not ended: {error}", self.id);
        }
    }
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// What is spent from here on.
#[derive(Debug)]
pub(crate) struct Meter {
    since_ns: u64,
    machine_ns: u64,
    own_ns: u64,
    process_ns: u64,
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// By the process under test.
    pub(crate) cpu_ns: u64,
    /// By everything on the machine but bench and process under test, in hundredths of a core.
    pub(crate) others_percent: u64,
}

impl Meter {
    /// Begins.
    pub(crate) fn start(process: Option<&Process>) -> anyhow::Result<Self> {
        let process_ns = process.map_or(Ok(0), Process::cpu_ns)?;
        Ok(Self { since_ns: now_ns(), machine_ns: machine_ns()?, own_ns: own_ns()?, process_ns })
    }

    /// Ends.
    pub(crate) fn stop(&self, process: Option<&Process>) -> anyhow::Result<Spent> {
        let cpu_ns = process.map_or(Ok(0), Process::cpu_ns)? - self.process_ns;
        let ours_ns = own_ns()? - self.own_ns + cpu_ns;
        let others_ns = (machine_ns()? - self.machine_ns).saturating_sub(ours_ns);
        Ok(Spent { cpu_ns, others_percent: others_ns * 100 / (now_ns() - self.since_ns).max(1) })
    }
}

/// CPU time of all cores: everything in the first line of /proc/stat but idle, I/O wait and what guests repeat.
fn machine_ns() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
    let busy = ticks.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks);
    Ok(busy.sum::<u64>() * tick_ns())
}

/// CPU time of this process, threads that have ended included.
fn own_ns() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(") ").context("/proc/self/stat names no process")?;
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() * tick_ns())
}

fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second()
}
