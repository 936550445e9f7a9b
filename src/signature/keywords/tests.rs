use super::*;
use crate::buffer::Owner;
use crate::number::Values;
use crate::signature::classification::Classes;
use crate::signature::parse::parse_file;
use crate::signature::vars::Variables;

/// Keyword; options that are read; options that are refused, with `^` before the place named.
const CASES: &[(&str, &str, &str)] = &[
    ("msg", r#"msg:"a\;b";"#, r#"msg:^a;"#),
    ("sid", "sid:7;", "sid:^0;"),
    ("gid", "gid:3;", "gid:^x;"),
    ("rev", "rev:2;", "rev:^-1;"),
    (
        "classtype",
        "classtype:misc-attack;",
        "classtype:misc-attack; ^classtype:misc-attack;",
    ),
    ("priority", "priority:255;", "priority:^256;"),
    ("reference", "reference:url,a.example/b;", "reference:^url;"),
    ("metadata", "metadata:a b, c d;", "^metadata;"),
    ("target", "target:dest_ip;", "target:^both;"),
    ("noalert", "flowbits:set,a; noalert;", "noalert:^1;"),
    ("alert", "alert;", "alert:^1;"),
    ("bypass", "bypass;", "bypass:^1;"),
    (
        "flow",
        "flow:established, to_server, only_stream;",
        "flow:established,^to_srever;",
    ),
    ("flowbits", "flowbits:isset,a|b;", "flowbits:^sett,a;"),
    ("app-layer-event", "", "app-layer-event:^tls.no_such_event;"),
    (
        "app-layer-protocol",
        "app-layer-protocol:!tls;",
        "app-layer-protocol:!^telnet;",
    ),
    (
        "dcerpc.iface",
        "dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003,>1;",
        "dcerpc.iface:^367abb81;",
    ),
    ("dcerpc.opnum", "dcerpc.opnum:1,3-5;", "dcerpc.opnum:^5-3;"),
    ("dnp3_obj", "dnp3_obj:60, 2;", "dnp3_obj:60,^256;"),
    (
        "dnp3_ind",
        "dnp3_ind:need_time,local_control;",
        "dnp3_ind:need_time,^no_time;",
    ),
    (
        "nfs_procedure",
        "nfs_procedure:2<>4;",
        "nfs_procedure:^4<>2;",
    ),
    ("mqtt.type", "mqtt.type:!CONNACK;", "mqtt.type:^CONNECTED;"),
    (
        "mqtt.flags",
        "mqtt.flags:dup,!retain;",
        "mqtt.flags:dup,^will;",
    ),
    ("mqtt.qos", "mqtt.qos:2;", "mqtt.qos:^4;"),
    (
        "ldap.responses.operation",
        "ldap.responses.operation:search_result_done,-1;",
        "ldap.responses.operation:search_result_done,^last;",
    ),
    (
        "ldap.responses.result_code",
        "ldap.responses.result_code:!0,all; ldap.responses.result_code:busy,any; ldap.responses.result_code:>3, 2;",
        "ldap.responses.result_code:0,^2147483648;",
    ),
    (
        "ldap.request.operation",
        "ldap.request.operation:bind_request;",
        "ldap.request.operation:^0,all;",
    ),
    (
        "mqtt.reason_code",
        "mqtt.reason_code:128;",
        "mqtt.reason_code:^256;",
    ),
    (
        "mqtt.protocol_version",
        "mqtt.protocol_version:5;",
        "mqtt.protocol_version:^five;",
    ),
    (
        "mqtt.connect.flags",
        "mqtt.connect.flags:username,!will;",
        "mqtt.connect.flags:^dup;",
    ),
    (
        "mqtt.connack.session_present",
        "mqtt.connack.session_present:true;",
        "mqtt.connack.session_present:^maybe;",
    ),
    (
        "tls.version",
        "tls.version:1.2; tls.version:0x0303;",
        "tls.version:^1.4;",
    ),
    (
        "ssl_version",
        "ssl_version:tls1.2,tls1.3;",
        "ssl_version:^tls1.4;",
    ),
    (
        "ssl_state",
        "ssl_state:!client_hello|!client_keyx;",
        "ssl_state:client_hello,^!server_hello;",
    ),
    (
        "tls_cert_notbefore",
        "tls_cert_notbefore:2025-01<>2026-01-31T12:00:00;",
        "tls_cert_notbefore:^2026<>2025;",
    ),
    (
        "tls_cert_notafter",
        "tls_cert_notafter:>2026;",
        "tls_cert_notafter:>^soon;",
    ),
    (
        "tls_cert_expired",
        "tls_cert_expired;",
        "tls_cert_expired:^1;",
    ),
    ("tls_cert_valid", "tls_cert_valid;", "tls_cert_valid:^1;"),
    (
        "tls.subject",
        r#"tls.subject:!"CN=a|2e|example";"#,
        "tls.subject:^CN=a;",
    ),
    (
        "tls.issuerdn",
        r#"tls.issuerdn:"CN=a";"#,
        r#"tls.issuerdn:^"";"#,
    ),
    (
        "tls.fingerprint",
        r#"tls.fingerprint:"0A:1b:2c:3d:4e:5f:60:71:82:93:a4:b5:c6:d7:e8:f9:0a:1b:2c:3d";"#,
        r#"tls.fingerprint:^"0a:1b";"#,
    ),
    ("tls.store", "tls.store;", "tls.store:^now;"),
    ("ftpbounce", "ftpbounce;", "ftpbounce:^1;"),
    (
        "frame",
        r#"frame:ssh.record.hdr; content:"ab";"#,
        r#"frame:^record.foot; content:"ab";"#,
    ),
    ("filename", "filename:\"a b\";", "filename:^a;"),
    ("fileext", "fileext:!\"exe\";", "fileext:^\"\";"),
    ("filestore", "filestore;", "filestore:^sideways;"),
    ("filemd5", "", "filemd5:^!a.lst;"),
    ("filesha1", "", "filesha1:^no-such.lst;"),
    ("filesha256", "", "filesha256:^no-such.lst;"),
    (
        "http2.frametype",
        "http2.frametype:GOAWAY; http2.frametype:!0;",
        "http2.frametype:^GONE;",
    ),
    (
        "http2.errorcode",
        "http2.errorcode:ENHANCE_YOUR_CALM; http2.errorcode:>1;",
        "http2.errorcode:^CALM;",
    ),
    (
        "http2.priority",
        "http2.priority:>200;",
        "http2.priority:^256;",
    ),
    ("http2.window", "http2.window:1-9;", "http2.window:^x;"),
    (
        "http2.size_update",
        "http2.size_update:>4096;",
        "http2.size_update:^-1;",
    ),
    (
        "http2.settings",
        "http2.settings:SETTINGS_ENABLE_PUSH=0; http2.settings:SETTINGS_MAX_FRAME_SIZE >20000;",
        "http2.settings:^SETTINGS_NONE;",
    ),
    (
        "websocket.flags",
        "websocket.flags:fin,!comp; websocket.flags:&0x80;",
        "websocket.flags:^end;",
    ),
    ("websocket.mask", "websocket.mask:>0;", "websocket.mask:^x;"),
    (
        "websocket.opcode",
        "websocket.opcode:!ping; websocket.opcode:1;",
        "websocket.opcode:^word;",
    ),
    (
        "tls.cert_chain_len",
        "tls.cert_chain_len:>2;",
        "tls.cert_chain_len:^many;",
    ),
    (
        "decode-event",
        "decode-event:ipv6.trunc_exthdr; decode-event:ipv6.exthdr_useless_fh;",
        "decode-event:^ipv4.no_such_event;",
    ),
    ("dsize", "dsize:10<>20;", "dsize:^20<>10;"),
    ("bsize", "http.uri; bsize:>5;", "^bsize:5;"),
    ("urilen", "urilen:<10,raw;", "urilen:5,^cooked;"),
    (
        "content",
        r#"content:!"|0d 0A|a\"";"#,
        r#"content:"a|0^z|";"#,
    ),
    ("uricontent", r#"uricontent:"/a";"#, r#"uricontent:^"";"#),
    (
        "isdataat",
        r#"content:"ab"; isdataat:!1,relative;"#,
        "isdataat:1,^relativ;",
    ),
    ("nocase", r#"content:"ab"; nocase;"#, "^nocase;"),
    (
        "offset",
        r#"content:"ab"; offset:3;"#,
        r#"content:"ab"; distance:1; ^offset:3;"#,
    ),
    (
        "depth",
        r#"content:"ab"; depth:2;"#,
        r#"content:"ab"; depth:^1;"#,
    ),
    (
        "distance",
        r#"content:"ab"; content:"cd"; distance:-2;"#,
        r#"content:"ab"; distance:^nolen;"#,
    ),
    (
        "within",
        r#"content:"ab"; content:"cd"; within:9;"#,
        r#"content:"ab"; within:^1;"#,
    ),
    (
        "startswith",
        r#"content:"ab"; startswith;"#,
        r#"content:"ab"; offset:1; ^startswith;"#,
    ),
    (
        "endswith",
        r#"content:"ab"; endswith;"#,
        r#"content:"ab"; endswith:^1;"#,
    ),
    (
        "fast_pattern",
        r#"content:"abcd"; fast_pattern:1,3;"#,
        r#"content:"abcd"; fast_pattern:^2,3;"#,
    ),
    ("rawbytes", r#"content:"ab"; rawbytes;"#, "^rawbytes;"),
    ("pcre", r#"pcre:"/^a\/b$/Ri";"#, r#"pcre:"/ab/i^q";"#),
    (
        "byte_test",
        "byte_test:2,!&,0x8000,-4,relative,little;",
        "byte_test:2,^~,1,0;",
    ),
    (
        "byte_jump",
        "byte_jump:4,0,relative,multiplier 2,align,post_offset -1;",
        "byte_jump:^9,0;",
    ),
    (
        "byte_extract",
        "byte_extract:2,0,len,relative; byte_test:1,>,len,0;",
        "byte_extract:2,0,^2len;",
    ),
    (
        "base64_decode",
        r#"content:"ab"; base64_decode:bytes 8, offset 1, relative; base64_data; content:"cd";"#,
        "base64_decode:^times 3;",
    ),
    (
        "base64_data",
        r#"base64_decode; base64_data; content:"cd";"#,
        r#"^base64_data; content:"cd";"#,
    ),
    ("ttl", "ttl:<5;", "ttl:^256;"),
    ("tos", "tos:!0;", "tos:^x;"),
    ("id", "id:0x1234;", "id:^70000;"),
    ("ip_proto", "ip_proto:47;", "ip_proto:^256;"),
    ("fragoffset", "fragoffset:>0;", "fragoffset:^8192;"),
    ("seq", "seq:4294967295;", "seq:^4294967296;"),
    ("ack", "ack:0;", "ack:^-1;"),
    ("window", "window:!55808;", "window:^70000;"),
    ("tcp.mss", "tcp.mss:<536;", "tcp.mss:^a;"),
    ("tcp.wscale", "tcp.wscale:>5;", "tcp.wscale:^256;"),
    ("vlan.layers", "vlan.layers:!1;", "vlan.layers:^4;"),
    ("vlan.id", "vlan.id:>=0xC8,-1;", "vlan.id:200,^3;"),
    ("itype", "itype:8-11;", "itype:^300;"),
    ("icode", "icode:0;", "^icode;"),
    ("icmp_id", "icmp_id:7;", "icmp_id:^70000;"),
    ("icmp_seq", "icmp_seq:7;", "icmp_seq:^70000;"),
    ("icmpv6.mtu", "icmpv6.mtu:<1280;", "icmpv6.mtu:^a;"),
    ("tcp.flags", "tcp.flags:SF+,CE;", "tcp.flags:S,^X;"),
    ("fragbits", "fragbits:!D;", "fragbits:^Q;"),
    ("sameip", "sameip;", "sameip:^1;"),
    ("prefilter", "itype:8; prefilter;", "prefilter:^1;"),
    (
        "stream_size",
        "stream_size:both,>=,5;",
        "stream_size:client,^~,5;",
    ),
    (
        "stream-event",
        "stream-event:reassembly_seq_gap;",
        "stream-event:^reassembly_gap;",
    ),
    (
        "threshold",
        "threshold:type limit, track by_src, count 1, seconds 60;",
        "threshold:type limit, track ^by_me, count 1, seconds 60;",
    ),
    (
        "to_lowercase",
        r#"http.uri; to_lowercase; content:"ab";"#,
        r#"^to_lowercase; content:"ab";"#,
    ),
    (
        "to_uppercase",
        r#"http.uri; to_uppercase; content:"AB";"#,
        r#"http.uri; to_uppercase:^1; content:"AB";"#,
    ),
    (
        "strip_whitespace",
        r#"http.uri; strip_whitespace; content:"ab";"#,
        r#"^http.uri; content:"ab"; strip_whitespace;"#,
    ),
    (
        "compress_whitespace",
        r#"http.uri; compress_whitespace; content:"ab";"#,
        r#"http.uri; compress_whitespace:^1; content:"ab";"#,
    ),
    (
        "url_decode",
        r#"http.uri; url_decode; content:"ab";"#,
        r#"http.uri; url_decode:^1; content:"ab";"#,
    ),
    (
        "dotprefix",
        r#"tls.sni; dotprefix; content:".ab"; endswith;"#,
        r#"^dotprefix; content:"ab";"#,
    ),
];

const MORE: &[(&str, &str, &str)] = &[
    (
        "header_lowercase",
        r#"http.header; header_lowercase; content:"host:";"#,
        r#"http.header; header_lowercase:^1; content:"host:";"#,
    ),
    (
        "strip_pseudo_headers",
        r#"http.header; strip_pseudo_headers; content:"host:";"#,
        r#"^strip_pseudo_headers; content:"host:";"#,
    ),
    (
        "domain",
        r#"tls.sni; domain; content:"a.example";"#,
        r#"^domain; content:"a.example";"#,
    ),
    (
        "tld",
        r#"tls.sni; tld; content:"example";"#,
        r#"tls.sni; tld:^1; content:"example";"#,
    ),
    (
        "decode_escapes",
        r#"http.uri; decode_escapes; content:"a";"#,
        r#"http.uri; decode_escapes:^1; content:"a";"#,
    ),
    (
        "decode_base64_runs",
        r#"http.uri; decode_base64_runs; content:"a";"#,
        r#"http.uri; decode_base64_runs:^1; content:"a";"#,
    ),
    (
        "resolve_lookups",
        r#"http.uri; resolve_lookups; content:"a";"#,
        r#"http.uri; resolve_lookups:^1; content:"a";"#,
    ),
    (
        "normalise_sql",
        r#"http.uri; normalise_sql; content:"a";"#,
        r#"http.uri; normalise_sql:^1; content:"a";"#,
    ),
    (
        "normalise_shell",
        r#"http.uri; normalise_shell; content:"a";"#,
        r#"http.uri; normalise_shell:^1; content:"a";"#,
    ),
    (
        "flatten_xml",
        r#"http.uri; flatten_xml; content:"a";"#,
        r#"http.uri; flatten_xml:^1; content:"a";"#,
    ),
    (
        "to_md5",
        r#"tls.sni; to_md5; content:"|01 02|";"#,
        r#"^to_md5; content:"ab";"#,
    ),
    (
        "to_sha1",
        r#"tls.sni; to_sha1; content:"|01 02|";"#,
        r#"^to_sha1; content:"ab";"#,
    ),
    (
        "to_sha256",
        r#"tls.sni; to_sha256; content:"|01 02|";"#,
        r#"^to_sha256; content:"ab";"#,
    ),
    (
        "xor",
        r#"http.uri; xor:"0d0a"; content:"ab";"#,
        r#"http.uri; xor:"^0d0"; content:"ab";"#,
    ),
    (
        "from_base64",
        r#"http.uri; content:"a="; from_base64: offset 6, bytes 4, mode strict ; content:"ab";"#,
        r#"http.uri; from_base64:mode ^rfc1; content:"ab";"#,
    ),
    (
        "gunzip",
        r#"http.uri; gunzip; content:"ab";"#,
        r#"http.uri; gunzip:max-size ^0; content:"ab";"#,
    ),
    (
        "zlib_deflate",
        r#"http.uri; zlib_deflate:max-size 10; content:"ab";"#,
        r#"http.uri; zlib_deflate:^size 1; content:"ab";"#,
    ),
    (
        "subslice",
        r#"http.uri; subslice:-3, 2, truncate; content:"ab";"#,
        r#"http.uri; subslice:^x; content:"ab";"#,
    ),
    (
        "pcrexform",
        r#"http.uri; pcrexform:"a(.*)b"; content:"ab";"#,
        r#"http.uri; pcrexform:"^ab"; content:"ab";"#,
    ),
    (
        "absent",
        r#"http.referer; absent:or_else; content:!"ab";"#,
        r#"http.referer; absent:^or; content:"ab";"#,
    ),
    (
        "byte_math",
        "byte_math:bytes 1, offset 1, oper *, rvalue 3, result v, endian little; byte_test:1,=,v,1;",
        "byte_math:bytes 1, offset 1, oper ^%, rvalue 3, result v;",
    ),
    (
        "entropy",
        r#"http.uri; entropy:bytes 10, offset 2, value >= 4.5;"#,
        r#"http.uri; entropy:value > ^9;"#,
    ),
    (
        "asn1",
        r#"content:"ab"; asn1:double_overflow, bitstring_overflow, relative_offset 54, oversize_length 2048;"#,
        "asn1:^absolute_offset 5;",
    ),
    ("ipopts", "ipopts:lsrr;", "ipopts:^lssr;"),
    (
        "xbits",
        "xbits:set,a,track ip_pair,expire 60;",
        "xbits:set,a,track ^ip;",
    ),
    ("hostbits", "hostbits:isset,a|b,dst;", "hostbits:set,^a|b;"),
    ("flowint", "flowint:a,+,1;", "flowint:a,^=>,1;"),
    ("flowvar", "flowvar:a,\"b\";", "flowvar:^a;"),
    ("pktvar", "pktvar:a,\"|41|\";", "pktvar:^a b,\"b\";"),
    ("iprep", "", "iprep:any,^Bad,>,10;"),
    (
        "dataset",
        "http.uri; dataset:set,a,type string,memcap 1mb;",
        "http.uri; dataset:^has,a,type string;",
    ),
    (
        "datarep",
        "http.uri; to_md5; datarep:a,>,200,type md5;",
        "http.uri; datarep:a,^~,200,type md5;",
    ),
    (
        "detection_filter",
        "detection_filter:track by_src, count 5, seconds 60;",
        "detection_filter:track by_src, ^counts 5, seconds 60;",
    ),
    (
        "requires",
        "requires:version >= 8;",
        "requires:version ^~ 8;",
    ),
    ("tag", "tag:session,10,packets;", "tag:^flow;"),
    ("bypass", "bypass;", "bypass:^1;"),
    ("flow.age", "flow.age:>10;", "flow.age:^x;"),
    ("flow.pkts", "flow.pkts:either,>=10;", "flow.pkts:^here,10;"),
    (
        "flow.bytes",
        "flow.bytes:toserver,<3000;",
        "flow.bytes:^3000;",
    ),
    (
        "flow.pkts_toserver",
        "flow.pkts_toserver:10;",
        "^flow.pkts_toserver;",
    ),
    (
        "flow.pkts_toclient",
        "flow.pkts_toclient:!10;",
        "^flow.pkts_toclient;",
    ),
    (
        "flow.bytes_toserver",
        "flow.bytes_toserver:10;",
        "^flow.bytes_toserver;",
    ),
    (
        "flow.bytes_toclient",
        "flow.bytes_toclient:10;",
        "^flow.bytes_toclient;",
    ),
];

/// Further ways to go wrong.
const REFUSED: &[&str] = &[
    // Several protocols have one of this name, and the header names none.
    r#"frame:^pdu; content:"ab";"#,
    r#"frame:tls.pdu; content:"ab"; ^http.uri; content:"ab";"#,
    r#"frame:tls.pdu; content:"ab"; ^pkt_data; content:"ab";"#,
    r#"^frame:tls.pdu; content:"ab"; tls.version:1.2;"#,
    r#"frame:^ssh.record; content:"ab";"#,
    "^contnet:\"a\";",
    "^http.uri; base64_decode; to_lowercase;",
    "^http.uri; absent; content:\"a\";",
    "^http.uri; absent:or_else;",
    "http.uri; content:\"a\"; ^absent;",
    "ip.src; ^absent;",
    "^lua:a.lua;",
    "^geoip:src,DE;",
    "xbits:^set,a;",
    "xbits:set,a,track ip_src,expire ^0;",
    "hostbits:set,a,^both;",
    "flowint:a,isset,^1;",
    "flowint:a,+,^b c;",
    "http.uri; dataset:isset,^a;",
    "^dataset:isset,a,type string;",
    "http.uri; dataset:isset,a,type ^sting;",
    "http.uri; dataset:isset,a,type string,load ^a.lst;",
    "http.uri; dataset:isset,a,type string,state ^../a;",
    "http.uri; dataset:isset,a,type string,state a,load ^b;",
    "http.uri; dataset:isset,a,type string,^sate b;",
    "http.uri; dataset:isset,a,type string,memcap ^900gb;",
    "http.uri; dataset:set,a,type string; http.host; dataset:isset,^a,type md5;",
    "threshold:type limit, track by_src, count 1, seconds 1; ^detection_filter:track by_src, count 1, seconds 1;",
    "tag:^host,10,packets;",
    "tag:session,^10;",
    "byte_math:^bytes 1, offset 1, oper *, rvalue 3;",
    "byte_math:bytes 1, offset 1, oper *, rvalue 3, ^oper +, result v;",
    "base64_decode; ^base64_data; to_lowercase; content:\"a\";",
    "base64_decode:bytes ^0;",
    "ipv4.hdr; content:\"ab\"; dsize:^x;",
    "^tcp.hdr; content:\"ab\"; http.uri; content:\"cd\";",
    "stream_size:^nobody,>,5;",
    "stream_size:client,>,^a;",
    "msg:\"a\"; ^msg:\"b\";",
    "msg:^\"a;b\";",
    "flow:to_server,^to_client;",
    "flow:stateless,^established;",
    "flow:established; ^flow:to_server;",
    "flowbits:set,^a|b;",
    "flowbits:set,^a b;",
    "^http.uri; http.method; content:\"a\";",
    "^http.uri;",
    "content:\"ab\"; http.uri; content:\"cd\"; ^http_uri;",
    "uricontent:\"ab\"; ^http_method;",
    "http.uri; content:\"ab\"; ^pcre:\"/a/P\";",
    "http.method; content:\"ab\"; ^uricontent:\"cd\";",
    "content:\"ab\"; fast_pattern; content:\"cd\"; ^fast_pattern;",
    "content:!\"ab\"; offset:3; ^fast_pattern;",
    "content:!\"ab\"; fast_pattern; ^offset:3;",
    "content:\"ab\"; offset:2; fast_pattern:^only;",
    "content:\"ab\"; fast_pattern:only; ^distance:1;",
    "content:!\"ab\"; fast_pattern:^only;",
    "content:\"ab\"; depth:4; ^depth:5;",
    "content:\"ab\"; depth:^99999;",
    "content:\"a^\\q\";",
    "pcre:\"^ab\";",
    "pcre:\"^/ab\";",
    "pcre:\"/(^a/\";",
    "pcre:\"/ab/U^I\";",
    "pcre:\"/ab/, ^flow:a\";",
    "pcre:\"/(ab)/, ^host:a\";",
    "pcre:\"/(ab)/, flow:^a b\";",
    "pcre:!\"/^(?P<flow_x>b)/\";",
    "pcre:\"/a^(?P<flow_x y>b)/\";",
    "byte_test:^0,>,1,0;",
    "byte_test:1,>,1,0,^dec_;",
    "byte_test:1,>,^x,0;",
    "^byte_test:1,>,1,0,hex;",
    "byte_test:^1,>,1;",
    "byte_test:1,>,1,0,^relativ;",
    "byte_test:1,>,1,0,bitmask ^0;",
    "byte_jump:1,0,from_beginning,^from_end;",
    "byte_extract:1,0,a; byte_extract:1,0,^a;",
    "byte_extract:1,0,a,align ^3;",
    "threshold:^type limit, track by_src, count 1;",
    "threshold:type limit, ^type limit, track by_src, count 1, seconds 1;",
    "threshold:^type backoff, track by_flow, count 1, seconds 1;",
    "threshold:^type backoff, track by_src, count 1, multiplier 2;",
    "threshold:type backoff, track by_flow, count 1, multiplier ^1;",
    "threshold:^type limit, track by_src, count 1, multiplier 2;",
    "app-layer-protocol:tls; ^app-layer-protocol:http;",
    "app-layer-protocol:tls,original; ^app-layer-protocol:http,original;",
    "app-layer-protocol:tls,^last;",
];

/// The rule around the options, and where the options begin.
fn rule(options: &str) -> (String, usize) {
    let sid = if options.contains("sid:") {
        ""
    } else {
        " sid:1;"
    };
    let head = "alert ip any any -> any any (";
    (format!("{head}{options}{sid})"), head.len())
}

fn read(text: &str) -> crate::signature::parse::ParsedFile {
    parse_file("t.rules", text, &Variables::default(), &Classes::default())
}

#[test]
fn every_keyword_is_read_and_refused() {
    for (name, good, bad) in CASES.iter().chain(MORE) {
        if !good.is_empty() {
            let (text, _) = rule(good);
            let parsed = read(&text);
            assert!(
                parsed.failures.is_empty() && parsed.signatures.len() == 1,
                "{name}: {:?}",
                parsed.failures.first().map(|d| d.render(false))
            );
        }
        refused(bad);
    }
}

#[test]
fn decode_events_that_are_never_raised_are_refused() {
    refused("decode-event:^ipv4.frag_ignored;");
    refused("decode-event:^sctp.pkt_too_small;");
    // Nothing else is known of the packet when they are asked for.
    refused("^decode-event:ipv4.trunc_pkt; content:\"ab\";");
    refused("flow:established; ^decode-event:ipv4.trunc_pkt;");
    let text = "alert pkthdr any any -> any any (msg:\"a\"; sid:1;)";
    assert_eq!(read(text).failures.len(), 1, "`pkthdr` asks for an event");
}

#[test]
fn refusals_name_the_place() {
    for bad in REFUSED {
        refused(bad);
    }
}

fn refused(marked: &str) {
    let place = marked.find('^').unwrap();
    let options = marked.replacen('^', "", 1);
    let (text, begin) = rule(&options);
    let parsed = read(&text);
    let [failure] = &parsed.failures[..] else {
        panic!("{marked} is read");
    };
    let expected = u32::try_from(begin + place + 1).unwrap();
    assert_eq!(
        failure.column,
        expected,
        "{marked}\n{}",
        failure.render(false)
    );
    assert_eq!(failure.line, 1);
    assert!(failure.end_column > failure.column, "{marked}: {failure:?}");
}

#[test]
fn the_cases_cover_the_table() {
    for keyword in KEYWORDS.iter() {
        let generic = matches!(
            keyword.kind,
            Kind::StickyBuffer | Kind::OldModifier | Kind::Number
        ) && keyword.name != "frame";
        let covered = CASES
            .iter()
            .chain(MORE)
            .any(|(name, ..)| *name == keyword.name);
        assert!(generic || covered, "{} has no case", keyword.name);
    }
}

/// A rule for TCP, or for UDP where the keyword's protocol is not carried by TCP.
fn carried(keyword: &Keyword, text: &str) -> String {
    match keyword.buffer().map(Buffer::owner) {
        Some(Owner::App(protocol)) if !protocol.carrier().has_streams() => {
            text.replacen("tcp", "udp", 1)
        }
        _ => text.to_owned(),
    }
}

#[test]
fn every_sticky_buffer_and_older_modifier_is_read_and_refused() {
    for keyword in KEYWORDS.iter() {
        // It stands behind `base64_decode` only, and has cases of its own.
        if keyword.buffer() == Some(Buffer::Base64Data) {
            continue;
        }
        let names = [keyword.name]
            .into_iter()
            .chain(keyword.aliases.iter().copied());
        for name in names {
            match keyword.kind {
                // `frame` says which, and has cases of its own.
                Kind::StickyBuffer if keyword.buffer().is_some() => {
                    let (text, _) = rule(&format!("{name}; content:\"ab\";"));
                    let parsed = read(&carried(keyword, &text));
                    assert!(parsed.failures.is_empty(), "{name}");
                    let group = &parsed.signatures[0].buffers[0];
                    assert_eq!(Some(group.buffer), keyword.buffer(), "{name}");
                    refused(&format!("{name}:^1; content:\"ab\";"));
                }
                Kind::OldModifier => {
                    let (text, _) = rule(&format!("content:\"ab\"; {name};"));
                    let parsed = read(&text);
                    assert!(parsed.failures.is_empty(), "{name}");
                    let groups = &parsed.signatures[0].buffers;
                    assert_eq!(groups.len(), 1, "the payload has no test left");
                    assert_eq!(Some(groups[0].buffer), keyword.buffer(), "{name}");
                    refused(&format!("^{name};"));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_number_is_read_and_refused() {
    let in_digits = |n: &&Number| {
        !matches!(
            n.values(),
            Values::AnyOf(_) | Values::Keyed(_) | Values::Own
        )
    };
    for &number in Number::ALL.iter().filter(in_digits) {
        let word = number.protocol().words()[0];
        let read = |value: &str| {
            let name = number.as_str();
            let text =
                format!("alert {word} any any -> any any (msg:\"a\"; {name}:{value}; sid:1;)");
            read(&text).failures.len()
        };
        for good in ["1", "!1", &format!("<{}", number.max())] {
            assert_eq!(read(good), 0, "{}:{good}", number.as_str());
        }
        for bad in ["nothing", "-1", &format!("{}", number.max() + 1)] {
            assert_eq!(read(bad), 1, "{}:{bad}", number.as_str());
        }
        if let Values::Named(words) = number.values() {
            for (word, _) in words {
                assert_eq!(read(&word.to_lowercase()), 0, "{}:{word}", number.as_str());
            }
        }
    }
}

#[test]
fn names_are_unique_and_texts_are_whole() {
    let mut seen = std::collections::HashSet::new();
    for keyword in KEYWORDS.iter() {
        for name in [keyword.name].iter().chain(keyword.aliases) {
            assert!(seen.insert(*name), "{name} twice");
        }
        assert!(keyword.syntax.ends_with(';'), "{}", keyword.name);
        assert!(keyword.help.ends_with('.'), "{}", keyword.name);
    }
}

#[test]
fn an_unknown_keyword_gets_a_suggestion() {
    let (text, _) = rule("contnet:\"a\";");
    let parsed = read(&text);
    assert_eq!(
        parsed.failures[0].help.as_deref(),
        Some("did you mean `content`?")
    );
    assert_eq!(parsed.failures[0].message, "unknown keyword `contnet`");
}
