//! Programs started in a namespace, ended by their own process id.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::{Fallible, wait_for};

/// What a finished program left.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Finished {
    /// Both outputs, for a message.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

/// A command that will run inside the named network namespace. The namespace is entered by
/// `ip netns exec`, which replaces itself by the program: its process id is the program's.
pub fn command_in(namespace: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// Runs to the end, or kills it when the time is over.
pub fn run(command: &mut Command, within: Duration) -> Fallible<Finished> {
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let mut running = Running::start(command, folder.path(), "run")?;
    let status = running
        .wait(within)
        .ok_or_else(|| format!("{command:?} did not end within {within:?}"))?;
    Ok(Finished {
        status,
        stdout: running.stdout(),
        stderr: running.stderr(),
        took: started.elapsed(),
    })
}

/// A program in the background, with its output in files. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// `name` names its output files in `folder`.
    pub fn start(command: &mut Command, folder: &Path, name: &str) -> Fallible<Self> {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        // SAFETY: both calls are async-signal-safe and touch no memory of ours. The kernel ends the
        // program when the thread that started it is gone, however that came about; and the program
        // inherits no descriptor but its three, so that it can hold no lock of whoever runs the test.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC as i32);
                Ok(())
            });
        }
        let child = command
            .spawn()
            .map_err(|e| format!("cannot start {command:?}: {e}"))?;
        Ok(Self {
            child,
            stdout,
            stderr,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        lossy(&self.stdout)
    }

    pub fn stderr(&self) -> String {
        lossy(&self.stderr)
    }

    /// `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        wait_for(within, || self.exit_status())
    }

    pub fn signal(&mut self, signal: i32) {
        if self.exit_status().is_none() {
            // SAFETY: the child was not reaped yet, so the id is still its own.
            unsafe { libc::kill(self.child.id() as i32, signal) };
        }
    }

    /// Asks it to end, and kills it when it does not within five seconds.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(libc::SIGTERM);
        self.wait(Duration::from_secs(5)).or_else(|| {
            self.signal(libc::SIGKILL);
            self.wait(Duration::from_secs(5))
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A stopped process (SIGSTOP) dies by SIGKILL all the same.
        self.signal(libc::SIGKILL);
        self.wait(Duration::from_secs(5));
    }
}

/// What a process has taken of processors so far, in the kernel too, with all of its threads.
pub fn cpu_seconds(pid: u32) -> Fallible<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold spaces; `utime` and `stime` are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in it")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    // SAFETY: reads a constant of the system.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(ticks as f64 / per_second as f64)
}

fn lossy(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
}
