//! From the configuration to what each room wants to know.

use std::net::IpAddr;
use std::num::NonZero;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use regex::Regex;

use crate::app_layer;
use crate::capture::nfqueue::QueueConfig;
use crate::config::{self, Config, FailureMode, Placement, Tunnel};
use crate::decode::{TunnelKind, Tunnels};
use crate::defrag::DefragConfig;
use crate::detect::{CompileOptions, RuleBudget, StateLimits};
use crate::flow::{FlowTableConfig, Timeouts};
use crate::netfilter::{Bypass, Failure, Hooks, Plan, PlanConfig};
use crate::pipeline::{Exceptions, Midstream, WorkerConfig};
use crate::reload::{Cache, Keeping, RulesFile, Selection, Sources};
use crate::signature::{Classes, SetLimits, Variables};
use crate::stream::{Normaliser, StreamConfig};
use crate::verdict::ExceptionPolicy;

/// The numbers of the queues; zero in the configuration means one for each processor.
pub fn queues(config: &Config) -> Range<u16> {
    let wanted = match config.capture.queues {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        n => usize::from(n),
    };
    let first = config.capture.first_queue;
    let count = u16::try_from(wanted).unwrap_or(u16::MAX);
    first..first.saturating_add(count)
}

pub fn queue(config: &Config, number: u16) -> QueueConfig {
    let capture = &config.capture;
    QueueConfig {
        number,
        max_len: capture.queue_length,
        receive_buffer_bytes: capture.receive_buffer_bytes,
        fail_open: capture.fail_open,
        gso: capture.gso,
        ..QueueConfig::default()
    }
}

pub fn plan(config: &Config) -> Result<Plan, String> {
    let netfilter = &config.netfilter;
    let plan = PlanConfig {
        queues: queues(config),
        hooks: match netfilter.mode {
            Placement::Gateway => Hooks::Gateway,
            Placement::Host => Hooks::Host {
                management_ports: netfilter.management_ports.clone(),
            },
        },
        failure: match netfilter.failure {
            FailureMode::Closed => Failure::Closed,
            FailureMode::Open => Failure::Open,
        },
        mark: netfilter.mark,
        mask: netfilter.mask,
        bypass: bypass(config),
        interfaces: Vec::new(),
    };
    Plan::new(plan).map_err(|e| format!("[netfilter]: {e}"))
}

fn bypass(config: &Config) -> Option<Bypass> {
    let wanted = &config.bypass;
    wanted.enabled.then(|| Bypass::new(wanted.mask)).flatten()
}

pub fn worker(config: &Config) -> WorkerConfig {
    let (policy, defrag) = (&config.policy, &config.defrag);
    let (flow, stream) = (&config.flow, &config.stream);
    let (http, tls) = (&config.app_layer.http, &config.app_layer.tls);
    let quic = &config.app_layer.quic;
    let (sip, smtp) = (&config.app_layer.sip, &config.app_layer.smtp);
    let (ftp, smb) = (&config.app_layer.ftp, &config.app_layer.smb);
    let http2 = &config.app_layer.http2;
    WorkerConfig {
        exceptions: Exceptions {
            flow_table_full: policy.flow_table_full,
            reassembly_memory: policy.reassembly_memory,
            parser_error: policy.parser_error,
            app_layer_memory: policy.app_layer_memory,
            kept_full: policy.kept_full,
            time_budget: policy.time_budget,
            midstream: policy.midstream,
            asymmetric: policy.asymmetric,
            defrag_memory: policy.defrag_memory,
            tunnel_depth: policy.tunnel_depth,
            internal_error: policy.internal_error,
        },
        midstream: Midstream::PickUpFor(Duration::from_secs(policy.midstream_grace_secs)),
        tunnels: tunnels(&config.decode),
        tunnel_depth: config.decode.tunnel_depth,
        defrag: DefragConfig {
            memory_bytes: defrag.memory_bytes,
            max_datagrams: defrag.max_datagrams,
            max_fragments: defrag.max_fragments,
            timeout: Duration::from_secs(defrag.timeout_secs),
            ..DefragConfig::default()
        },
        flow: FlowTableConfig {
            max_flows: flow.max_flows,
            pressure_percent: flow.pressure_percent,
            timeouts: Timeouts {
                new: Duration::from_secs(flow.tcp_new_secs),
                datagram: Duration::from_secs(flow.datagram_secs),
                established: Duration::from_secs(flow.tcp_established_secs),
                closed: Duration::from_secs(flow.tcp_closed_secs),
                refused: Duration::from_secs(flow.refused_secs),
            },
        },
        stream: StreamConfig {
            max_out_of_order_bytes: stream.out_of_order_bytes as u64,
            max_retained_bytes: stream.retained_bytes as u64,
            pool_bytes: stream.pool_bytes as u64,
            // What is let through without being kept is a gap as well.
            tolerate_gaps: config.capture.fail_open
                || policy.reassembly_memory == ExceptionPolicy::Pass,
            normalise: match config.normalise.profile {
                config::Profile::Strict => Normaliser::STRICT,
                config::Profile::Normal => Normaliser::NORMAL,
                config::Profile::Off => Normaliser::OFF,
            },
        },
        app_layer: app_layer::Limits {
            request_body_bytes: http.request_body_bytes,
            response_body_bytes: http.response_body_bytes,
            header_bytes: http.header_bytes,
            line_bytes: http.line_bytes,
            headers: http.headers,
            header_lines: http.header_lines,
            decompressed_bytes: http.decompressed_bytes,
            decompression_ratio: http.decompression_ratio,
            decompression_layers: http.decompression_layers,
            transactions: http.transactions,
            http2_table_bytes: http2.table_bytes,
            http2_continuations: http2.continuations,
            websocket_payload_bytes: config.app_layer.websocket.payload_bytes,
            tls_handshake_bytes: tls.handshake_bytes,
            tls_certificates: tls.certificates,
            quic_crypto_bytes: quic.crypto_bytes,
            quic_connections: quic.connections,
            message_bytes: config.app_layer.message_bytes,
            frame_bytes: config.app_layer.frame_bytes,
            sip_header_bytes: sip.header_bytes,
            smb_message_bytes: smb.message_bytes,
            smb_requests: smb.requests,
            smb_file_bytes: smb.file_bytes,
            ftp_line_bytes: ftp.line_bytes,
            ftp_commands: ftp.commands,
            ftp_file_bytes: ftp.file_bytes,
            smtp_line_bytes: smtp.line_bytes,
            smtp_commands: smtp.commands,
            smtp_header_bytes: smtp.header_bytes,
            smtp_attachment_bytes: smtp.attachment_bytes,
            smtp_mail_bytes: smtp.mail_bytes,
            smtp_nesting: smtp.nesting,
            dns_name_bytes: config.app_layer.dns.name_bytes,
            dnp3_message_bytes: config.app_layer.dnp3.message_bytes,
            dnp3_requests: config.app_layer.dnp3.requests,
            nfs_message_bytes: config.app_layer.nfs.message_bytes,
            nfs_calls: config.app_layer.nfs.calls,
            nfs_file_bytes: config.app_layer.nfs.file_bytes,
            ldap_requests: config.app_layer.ldap.requests,
            ldap_responses: config.app_layer.ldap.responses,
            ldap_attributes: config.app_layer.ldap.attributes,
            pgsql_requests: config.app_layer.pgsql.requests,
        },
        app_layer_memory_bytes: config.app_layer.memory_bytes,
        rule_budget: RuleBudget {
            us_per_second: config.engine.rule_budget_us,
            suspended_secs: config.engine.rule_suspended_secs,
        },
        flow_budget_us: config.engine.flow_budget_us,
        stream_depth_bytes: stream.depth_bytes,
        alert_payload_bytes: config.log.alert_payload_bytes,
        alert_packet: config.log.alert_packet,
        bypass: config.bypass.enabled,
        ..WorkerConfig::default()
    }
}

fn tunnels(decode: &config::Decode) -> Tunnels {
    let kinds = decode.tunnels.iter().map(|tunnel| match tunnel {
        Tunnel::Vxlan => TunnelKind::Vxlan,
        Tunnel::Geneve => TunnelKind::Geneve,
        Tunnel::Gre => TunnelKind::Gre,
        Tunnel::Erspan => TunnelKind::Erspan,
        Tunnel::Ipip => TunnelKind::Ipv4InIpv4,
        Tunnel::SixInFour => TunnelKind::Ipv6InIpv4,
        Tunnel::FourInSix => TunnelKind::Ipv4InIpv6,
        Tunnel::SixInSix => TunnelKind::Ipv6InIpv6,
        Tunnel::Teredo => TunnelKind::Teredo,
    });
    Tunnels::new(
        kinds,
        decode.vxlan_ports.clone(),
        decode.geneve_ports.clone(),
        decode.teredo_ports.clone(),
    )
}

pub fn sources(config: &Config) -> Result<Sources, String> {
    let mut variables = Variables::default();
    for (name, value) in config.vars.address.iter().chain(&config.vars.port) {
        variables
            .set(name, value)
            .map_err(|e| format!("[vars]: {e}"))?;
    }
    let rules = config.rules.iter().map(rules_file);
    Ok(Sources {
        packs: config.packs.dirs.clone(),
        rules: rules.collect::<Result<_, _>>()?,
        variables,
        classes: Classes::default(),
        test_packs: config.packs.test,
        ceiling: config.engine.mode,
        action_order: config.engine.action_order,
        options: CompileOptions {
            stream_window: config.engine.stream_window_bytes,
            ..CompileOptions::default()
        },
        keeping: keeping(config),
        cache: Cache::default(),
    })
}

fn keeping(config: &Config) -> Keeping {
    let datasets = &config.datasets;
    let named = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    Keeping {
        limits: StateLimits {
            max_bits: config.hostbits.max_bits,
            set_bytes: datasets.memory_bytes,
        },
        set_limits: SetLimits {
            default_bytes: datasets.set_bytes,
            most_bytes: datasets.max_set_bytes,
        },
        any_folder: datasets.any_folder,
        state_dir: datasets
            .keep_files
            .then(|| config.control.state_dir.join("datasets")),
        categories_file: named(&config.reputation.categories_file),
        reputation: config.reputation.files.clone(),
        threshold_file: named(&config.engine.threshold_file),
    }
}

fn rules_file(file: &config::RulesFile) -> Result<RulesFile, String> {
    let select = &file.select;
    let matching = select.matching.as_deref().map(Regex::new).transpose();
    Ok(RulesFile {
        path: file.file.clone(),
        selection: Selection {
            sids: select.sids.iter().copied().collect(),
            classtypes: select.classtypes.clone(),
            matching: matching.map_err(|e| format!("{}: {e}", file.file.display()))?,
        },
        action: file.action,
    })
}

/// `192.0.2.1:80` or `[2001:db8::1]:80`.
pub fn endpoint((address, port): (IpAddr, u16)) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}
