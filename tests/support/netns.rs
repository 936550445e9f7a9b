//! Three network namespaces in a row: client - gateway - server, joined by veth, IPv4 and IPv6.
//!
//! A second link hangs on the gateway's client side: no kernel owns its far address, so a TCP of our
//! own ([`super::rawtcp`]) can live there undisturbed.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::process::{self, Finished, Running};
use super::relay::{Impairment, Relay, TapDevice};
use super::{Fallible, wait_for};

/// Namespaces of the lab are called this, then the process id, a number and a role.
const PREFIX: &str = "stopgap-lab";

/// MAC address of the far end of the extra link, which no interface has.
pub const RAW_CLIENT_MAC: [u8; 6] = [0x02, 0x53, 0x47, 0, 0, 2];
/// MAC address of the gateway's end of the extra link.
pub const RAW_GATEWAY_MAC: [u8; 6] = [0x02, 0x53, 0x47, 0, 0, 1];
/// Interface of the extra link in the client namespace.
pub const RAW_INTERFACE: &str = "raw1";
/// Interface of the client namespace towards the gateway.
pub const CLIENT_INTERFACE: &str = "c0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// Where the client lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientSide {
    /// 10.0.0.0/8, as the server.
    Private,
    /// 198.18.0.0/15, set aside for benchmarks (RFC 2544): outside of HOME_NET, so that rules from
    /// `$EXTERNAL_NET` to `$HOME_NET` concern its flows.
    Benchmark,
}

/// Which link is an impaired one: the gateway's to the client, or to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    BeforeGateway,
    BehindGateway,
}

/// The namespaces. Dropping the lab removes them.
#[derive(Debug)]
pub struct Lab {
    stem: String,
    side: ClientSide,
    impaired: Option<(Place, Impairment)>,
    relay: Option<Relay>,
    folder: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Fallible<Self> {
        Self::with_client(ClientSide::Private)
    }

    pub fn with_client(side: ClientSide) -> Fallible<Self> {
        Self::make(side, None)
    }

    /// With a relay in place of one link.
    pub fn impaired(place: Place, impairment: Impairment) -> Fallible<Self> {
        let lab = Self::make(ClientSide::Private, Some((place, impairment)))?;
        lab.relay()?.impair(true);
        Ok(lab)
    }

    pub fn relay(&self) -> Fallible<&Relay> {
        self.relay
            .as_ref()
            .ok_or_else(|| "this lab has no relay".into())
    }

    fn make(side: ClientSide, impaired: Option<(Place, Impairment)>) -> Fallible<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut lab = Self {
            stem: format!("{PREFIX}-{}-{number}", std::process::id()),
            side,
            impaired,
            relay: None,
            folder: tempfile::Builder::new().prefix(PREFIX).tempdir()?,
        };
        // From here on the guard removes what exists, whatever fails.
        lab.build()?;
        Ok(lab)
    }

    pub fn client(&self) -> String {
        format!("{}-client", self.stem)
    }

    pub fn gateway(&self) -> String {
        format!("{}-gateway", self.stem)
    }

    pub fn server(&self) -> String {
        format!("{}-server", self.stem)
    }

    /// A namespace behind the server's, for who makes one there; it goes with the lab.
    pub fn far(&self) -> String {
        format!("{}-far", self.stem)
    }

    /// A folder that lives as long as the lab.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn server_address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, 83, 2, 2).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x83, 2, 0, 0, 0, 0, 2).into(),
        }
    }

    pub fn client_address(&self, family: Family) -> IpAddr {
        match (family, self.side) {
            (Family::V4, ClientSide::Private) => Ipv4Addr::new(10, 83, 1, 2).into(),
            (Family::V4, ClientSide::Benchmark) => Ipv4Addr::new(198, 18, 1, 2).into(),
            (Family::V6, _) => Ipv6Addr::new(0xfd00, 0x83, 1, 0, 0, 0, 0, 2).into(),
        }
    }

    /// The address of the TCP of our own.
    pub fn raw_address(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::new(10, 83, 3, 2).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x83, 3, 0, 0, 0, 0, 2).into(),
        }
    }

    /// `host:port` of the server, as a URL wants it.
    pub fn authority(&self, family: Family, port: u16) -> String {
        SocketAddr::new(self.server_address(family), port).to_string()
    }

    fn build(&mut self) -> Fallible<()> {
        let (client, gateway, server) = (self.client(), self.gateway(), self.server());
        let client_net = match self.side {
            ClientSide::Private => "10.83.1",
            ClientSide::Benchmark => "198.18.1",
        };
        let raw_gateway_mac = mac_text(RAW_GATEWAY_MAC);
        let raw_client_mac = mac_text(RAW_CLIENT_MAC);
        ip_batch(
            None,
            &format!("netns add {client}\nnetns add {gateway}\nnetns add {server}\n"),
        )?;
        // Interfaces take this over when they are made. With it a link-local address is tentative for a
        // second, and the first IPv6 packets of a test wait that long for their neighbour.
        for namespace in [&client, &gateway, &server] {
            self.inside(namespace, || {
                fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
            })??;
        }
        self.link(Place::BeforeGateway, (&client, CLIENT_INTERFACE), "g0")?;
        self.link(Place::BehindGateway, (&server, "s0"), "g1")?;
        ip_batch(
            None,
            &format!(
                "link add {RAW_INTERFACE} netns {client} type veth peer name raw0 netns {gateway}\n"
            ),
        )?;
        ip_batch(
            Some(&client),
            &format!(
                "link set lo up\n\
                 address add {client_net}.2/24 dev {CLIENT_INTERFACE}\n\
                 address add fd00:83:1::2/64 dev {CLIENT_INTERFACE} nodad\n\
                 link set {CLIENT_INTERFACE} up\nlink set {RAW_INTERFACE} up\n\
                 route add default via {client_net}.1\n\
                 route add ::/0 via fd00:83:1::1\n"
            ),
        )?;
        ip_batch(
            Some(&gateway),
            &format!(
                "link set lo up\n\
                 address add {client_net}.1/24 dev g0\naddress add fd00:83:1::1/64 dev g0 nodad\n\
                 address add 10.83.2.1/24 dev g1\naddress add fd00:83:2::1/64 dev g1 nodad\n\
                 address add 10.83.3.1/24 dev raw0\naddress add fd00:83:3::1/64 dev raw0 nodad\n\
                 link set raw0 address {raw_gateway_mac}\n\
                 link set g0 up\nlink set g1 up\nlink set raw0 up\n\
                 neighbour add 10.83.3.2 lladdr {raw_client_mac} dev raw0 nud permanent\n\
                 neighbour add fd00:83:3::2 lladdr {raw_client_mac} dev raw0 nud permanent\n"
            ),
        )?;
        ip_batch(
            Some(&server),
            "link set lo up\n\
             address add 10.83.2.2/24 dev s0\naddress add fd00:83:2::2/64 dev s0 nodad\n\
             link set s0 up\n\
             route add default via 10.83.2.1\nroute add ::/0 via fd00:83:2::1\n",
        )?;
        self.inside(&gateway, || -> std::io::Result<()> {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        })??;
        self.wait_until_connected()
    }

    /// Joins an interface of a namespace to one of the gateway.
    fn link(&mut self, place: Place, far: (&str, &str), near: &str) -> Fallible<()> {
        let gateway = self.gateway();
        let (namespace, name) = far;
        match self.impaired {
            Some((here, impairment)) if here == place => {
                let ends = [
                    self.inside(namespace, || TapDevice::make(name))??,
                    self.inside(&gateway, || TapDevice::make(near))??,
                ];
                self.relay = Some(Relay::start(ends, impairment));
                // What a burst does not find room for is lost, and the relay does not know.
                for (namespace, name) in [far, (&gateway, near)] {
                    let longer = format!("link set {name} txqueuelen 10000\n");
                    ip_batch(Some(namespace), &longer)?;
                }
                Ok(())
            }
            _ => ip_batch(
                None,
                &format!(
                    "link add {name} netns {namespace} type veth peer name {near} netns {gateway}\n"
                ),
            ),
        }
    }

    /// The kernel notices a new link's carrier, and with it resolves IPv6 neighbours, up to a second
    /// late. The server refuses what it has no program for: then the whole path stands.
    fn wait_until_connected(&self) -> Fallible<()> {
        let namespace = self.client();
        for family in Family::BOTH {
            let nobody = SocketAddr::new(self.server_address(family), 1);
            let connected = self.inside(&namespace, || {
                wait_for(Duration::from_secs(5), || {
                    TcpStream::connect_timeout(&nobody, Duration::from_millis(50))
                        .is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
                        .then_some(())
                })
            })?;
            connected.ok_or_else(|| format!("{nobody} is out of reach in a new lab"))?;
        }
        Ok(())
    }

    /// Runs a closure on a thread of its own inside a namespace.
    pub fn inside<T: Send>(&self, namespace: &str, work: impl FnOnce() -> T + Send) -> Fallible<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(namespace)?;
                Fallible::Ok(work())
            });
            thread.join().map_err(|_| "the thread inside panicked")?
        })
    }

    /// Runs a program in the client namespace to its end.
    pub fn client_runs(
        &self,
        program: &str,
        args: &[&str],
        within: Duration,
    ) -> Fallible<Finished> {
        process::run(
            process::command_in(&self.client(), program).args(args),
            within,
        )
    }

    /// Runs a program in the gateway namespace to its end.
    pub fn gateway_runs(
        &self,
        program: &str,
        args: &[&str],
        within: Duration,
    ) -> Fallible<Finished> {
        process::run(
            process::command_in(&self.gateway(), program).args(args),
            within,
        )
    }

    /// Starts a program in a namespace; its output goes to files in the lab's folder.
    pub fn start(&self, namespace: &str, program: &str, args: &[&str]) -> Fallible<Running> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let base = Path::new(program)
            .file_name()
            .map_or(program.into(), |n| n.to_string_lossy());
        Running::start(
            process::command_in(namespace, program).args(args),
            self.folder(),
            &format!("{base}-{number}"),
        )
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [self.client(), self.gateway(), self.server(), self.far()] {
            delete(&namespace);
        }
    }
}

/// Removes namespaces that a lab left when its process was killed.
pub fn sweep() {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.split('-').next())
            .and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            delete(&name);
        }
    }
}

fn delete(namespace: &str) {
    if Path::new("/run/netns").join(namespace).exists() {
        let _ = Command::new("ip")
            .args(["netns", "delete", namespace])
            .stderr(Stdio::null())
            .status();
    }
}

/// Moves the calling thread into a namespace, for good; threads it starts are born there.
pub fn enter(namespace: &str) -> Fallible<()> {
    let file = File::open(Path::new("/run/netns").join(namespace))?;
    // SAFETY: the descriptor is open, and the flag says which kind of namespace it must be.
    if unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}

pub fn ip_batch(namespace: Option<&str>, lines: &str) -> Fallible<()> {
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-netns", namespace]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(lines.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("ip failed: {complaint}").into());
    }
    Ok(())
}

pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
