//! Everything around the daemon breaks once. Each time: a clear error or a counted state, and what was in
//! force stays in force.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::daemon::{self, Daemon, Setup};
use support::eve;
use support::http;
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::process::{self, Finished};
use support::requirements::live_with_daemon;
use support::{Fallible, wait_for};

const PATIENCE: Duration = Duration::from_secs(1);
const GOOD: &str = "drop http any any -> any any (msg:\"live test\"; http.uri; content:\"forbidden-word\"; sid:1; rev:1;)\n";
const BROKEN: &str =
    "drop http any any -> any any (msg:\"live test\"; htpt.uri; content:\"x\"; sid:2; rev:1;)\n";

struct Scene {
    lab: Lab,
    _nginx: Nginx,
    rules: PathBuf,
}

impl Scene {
    fn new(rules: &str) -> Fallible<Self> {
        let lab = Lab::new()?;
        let nginx = Nginx::start(&lab, Purpose::Load, None)?;
        let file = lab.folder().join("trouble.rules");
        fs::write(&file, rules)?;
        Ok(Self {
            lab,
            _nginx: nginx,
            rules: file,
        })
    }

    fn setup(&self) -> Setup {
        Setup::with_rules(&self.rules)
    }

    fn status(&self, target: &str) -> Fallible<u16> {
        let server = SocketAddr::new(self.lab.server_address(Family::V4), nginx::PORT);
        let client = self.lab.client();
        self.lab
            .inside(&client, || http::once_here(server, target, PATIENCE))
    }

    /// A request that `GOOD` blocks, without waiting long for an answer that does not come.
    fn brief_forbidden_request(&self) -> Fallible<()> {
        let server = SocketAddr::new(self.lab.server_address(Family::V4), nginx::PORT);
        let client = self.lab.client();
        let status = self.lab.inside(&client, || {
            http::once_here(server, "/forbidden-word", Duration::from_millis(20))
        })?;
        assert_eq!(status, 0, "blocked whatever becomes of the log");
        Ok(())
    }

    /// The rule of `GOOD` is in force, and other traffic flows.
    fn assert_in_force(&self) -> Fallible<()> {
        assert_eq!(self.status("/welcome")?, 200);
        assert_eq!(self.status("/forbidden-word")?, 0);
        Ok(())
    }
}

/// The error names what is wrong, in few lines, and is not a panic.
fn assert_clear(said: &Finished, code: i32, words: &[&str]) {
    let text = said.stderr.to_lowercase();
    println!(
        "exit {} after {:.1?}: {}",
        said.code(),
        said.took,
        said.stderr.trim()
    );
    assert_eq!(said.code(), code, "{}", said.text());
    for word in words {
        assert!(
            text.contains(&word.to_lowercase()),
            "`{word}` is not in: {text}"
        );
    }
    assert!(
        !text.contains("panicked") && text.lines().count() < 30,
        "{text}"
    );
}

#[test]
fn broken_rules_at_start_are_listed_and_the_rest_holds() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("broken rules at start", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(&format!("{BROKEN}{GOOD}"))?;
    let daemon = Daemon::start(&scene.lab, &scene.setup())?;
    println!("{}\n{}", daemon.ready_line(), daemon.stderr().trim());
    assert!(
        daemon.stderr().contains("trouble.rules:1:"),
        "file:line:column"
    );
    scene.assert_in_force()?;
    daemon.stop()?;
    Ok(())
}

#[test]
fn broken_rules_at_reload_change_nothing() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("broken rules at reload", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let daemon = Daemon::start(&scene.lab, &scene.setup())?;
    let good_and_new = GOOD
        .replace("forbidden-word", "welcome")
        .replace("sid:1", "sid:3");
    fs::write(&scene.rules, format!("{good_and_new}{BROKEN}"))?;
    let said = daemon.ctl(&["reload"])?;
    assert_clear(&said, 1, &["trouble.rules:2:", "htpt.uri"]);
    scene.assert_in_force()?;
    fs::remove_file(&scene.rules)?;
    let said = daemon.ctl(&["reload"])?;
    assert_clear(&said, 1, &["trouble.rules"]);
    scene.assert_in_force()?;
    daemon.stop()?;
    Ok(())
}

#[test]
fn a_broken_pack_is_named_and_the_rest_holds() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a broken pack", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let packs = scene.lab.folder().join("packs");
    copy_folder(&daemon::bundled_packs(), &packs)?;
    let patch = some_patch(&packs).ok_or("the bundled packs hold no patch")?;
    let name = patch
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let whole = fs::read_to_string(patch.join("patch.toml"))?;

    let setup = Setup {
        packs: Some(packs.clone()),
        ..scene.setup()
    };
    // At start the patch is left out, and named.
    fs::write(patch.join("patch.toml"), "id = [[\n")?;
    let running = Daemon::start(&scene.lab, &setup)?;
    println!("{}\n{}", running.ready_line(), running.stderr().trim());
    assert!(running.stderr().contains(&name), "the patch is named");
    scene.assert_in_force()?;
    running.stop()?;
    // At reload everything stays as it was.
    fs::write(patch.join("patch.toml"), &whole)?;
    let running = Daemon::start(&scene.lab, &setup)?;
    fs::write(patch.join("patch.toml"), "id = [[\n")?;
    assert_clear(&running.ctl(&["reload"])?, 1, &[&name]);
    scene.assert_in_force()?;
    running.stop()?;
    Ok(())
}

#[test]
fn a_config_that_cannot_be_used_is_refused_with_its_line() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("unusable configs", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let unknown_key = Setup {
        extra_config: "\n[flow]\nno_such_key = 1\n".to_owned(),
        ..scene.setup()
    };
    let said = Daemon::fails_to_start(&scene.lab, &unknown_key)?;
    assert_clear(&said, 2, &["no_such_key", "stopgap.toml:"]);
    let no_toml = Setup {
        extra_config: "\n[flow\n".to_owned(),
        ..scene.setup()
    };
    let said = Daemon::fails_to_start(&scene.lab, &no_toml)?;
    assert_clear(&said, 2, &["stopgap.toml:"]);
    let binary = daemon::binary();
    for missing in ["/nonexistent/stopgap.toml", "/"] {
        let args = ["run", "--config", missing];
        let said = scene
            .lab
            .gateway_runs(&binary.to_string_lossy(), &args, PATIENCE * 10)?;
        assert_clear(&said, 2, &[missing]);
    }
    assert_eq!(scene.status("/welcome")?, 200, "no rule was left behind");
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a port in use", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let gateway = scene.lab.gateway();
    let taken = scene
        .lab
        .inside(&gateway, || std::net::TcpListener::bind("127.0.0.1:9911"))??;
    let setup = Setup {
        metrics: Some("127.0.0.1:9911".to_owned()),
        ..scene.setup()
    };
    let said = Daemon::fails_to_start(&scene.lab, &setup)?;
    assert_clear(&said, 1, &["9911"]);
    drop(taken);
    Daemon::start(&scene.lab, &setup)?.stop()?;
    Ok(())
}

#[test]
fn a_queue_in_use_is_named_and_its_owner_goes_on() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a queue in use", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let first = Daemon::start(&scene.lab, &scene.setup())?;
    let said = Daemon::fails_to_start(&scene.lab, &scene.setup())?;
    assert_clear(&said, 1, &["queue"]);
    scene.assert_in_force()?;
    first.stop()?;
    Ok(())
}

#[test]
fn no_privileges_is_said() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("no privileges", &["nginx", "setpriv"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    // Root's ids without its capabilities: its files are readable still, the kernel's network is not its own.
    let setup = Setup {
        wrapper: ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
            .map(str::to_owned)
            .into(),
        ..scene.setup()
    };
    let said = Daemon::fails_to_start(&scene.lab, &setup)?;
    assert_clear(&said, 1, &["CAP_NET_ADMIN"]);
    assert_eq!(scene.status("/welcome")?, 200, "no rule was left behind");
    Ok(())
}

#[test]
fn no_firewall_tool_is_said() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("no iptables and no nft", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let empty = scene.lab.folder().join("empty");
    fs::create_dir(&empty)?;
    // An emptied PATH alone hides nothing from a program that looks in the system folders too. The mounts
    // are in the mount namespace that `ip netns exec` made for this one process.
    let hide = "for folder in /usr/sbin /usr/local/sbin; do mount --bind \"$0\" $folder || exit 99; done; \
                export PATH=\"$0\"; exec \"$@\"";
    let setup = Setup {
        wrapper: ["sh", "-c", hide, &empty.to_string_lossy()]
            .map(str::to_owned)
            .into(),
        ..scene.setup()
    };
    let said = Daemon::fails_to_start(&scene.lab, &setup)?;
    assert_clear(&said, 1, &["iptables", "nft"]);
    assert_eq!(scene.status("/welcome")?, 200);
    Ok(())
}

#[test]
fn a_full_disk_is_counted_and_blocking_goes_on() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a full disk", &["nginx", "mount", "umount"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let disk = SmallDisk::mount(&scene.lab.folder().join("disk"))?;
    let setup = Setup {
        log_dir: Some(disk.0.clone()),
        log_queue_records: Some(64),
        ..scene.setup()
    };
    let daemon = Daemon::start(&scene.lab, &setup)?;
    scene.assert_in_force()?;
    fs::write(disk.0.join("ballast"), vec![0u8; 1 << 20]).ok();
    let told = wait_for(Duration::from_secs(10), || {
        scene.status("/forbidden-word").ok().filter(|s| *s == 0)?;
        let status = daemon.ctl(&["status", "--json"]).ok()?.stdout;
        let status = serde_json::from_str(&status).ok()?;
        eve::find(&status, "trouble")?.as_str().map(str::to_owned)
    });
    println!("disk full: status says {told:?}");
    assert!(told.is_some_and(|told| told.to_lowercase().contains("no space")));
    // What waits is kept to a bound, and what is beyond it counted.
    let counted = wait_for(Duration::from_secs(60), || {
        for _ in 0..32 {
            scene.brief_forbidden_request().ok()?;
        }
        let stats = daemon.stats().ok()?;
        eve::find(&stats, "events_lost")?
            .as_u64()
            .filter(|n| *n > 0)
    });
    println!("disk full: {counted:?} events lost");
    assert!(counted.is_some());
    scene.assert_in_force()?;
    // Room again: the log goes on, and no line of it is broken.
    fs::remove_file(disk.0.join("ballast")).ok();
    let before = daemon.events().len();
    let goes_on = wait_for(Duration::from_secs(10), || {
        scene.status("/forbidden-word").ok();
        (daemon.events().len() > before).then_some(())
    });
    assert!(goes_on.is_some(), "the log goes on once there is room");
    daemon.stop()?;
    Ok(())
}

#[test]
fn a_removed_log_directory_is_noticed() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a removed log directory", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new(GOOD)?;
    let mut daemon = Daemon::start(&scene.lab, &scene.setup())?;
    scene.assert_in_force()?;
    fs::remove_dir_all(daemon.log_dir())?;
    scene.assert_in_force()?;
    let status = daemon.ctl(&["status", "--json"])?;
    assert_eq!(status.code(), 0, "{}", status.text());
    daemon.signal(libc::SIGHUP);
    let back_or_counted = wait_for(Duration::from_secs(10), || {
        scene.status("/forbidden-word").ok();
        let logged = daemon
            .log_dir()
            .join("eve.json")
            .exists()
            .then_some("made anew");
        let lost = daemon.stats().ok().and_then(|stats| {
            eve::find(&stats, "events_lost")?
                .as_u64()
                .filter(|n| *n > 0)
                .map(|_| "counted")
        });
        logged.or(lost)
    });
    println!("the log was {back_or_counted:?}");
    assert!(back_or_counted.is_some());
    assert!(daemon.runs());
    scene.assert_in_force()?;
    Ok(())
}

/// A tmpfs of 256 KiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Fallible<Self> {
        fs::create_dir(at)?;
        let done = process::run(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
                .arg(at),
            PATIENCE * 10,
        )?;
        if done.code() != 0 {
            return Err(format!("mount: {}", done.text()).into());
        }
        Ok(Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since a killed daemon's file may be open for a moment yet.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn copy_folder(from: &Path, to: &Path) -> Fallible<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn some_patch(packs: &Path) -> Option<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(packs)
        .ok()?
        .flatten()
        .filter_map(|pack| fs::read_dir(pack.path()).ok())
        .flat_map(|patches| patches.flatten().map(|patch| patch.path()))
        .filter(|path| path.join("patch.toml").is_file())
        .collect();
    folders.sort();
    folders.into_iter().next()
}
