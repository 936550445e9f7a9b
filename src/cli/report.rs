//! Tables and numbers as people read them.

use comfy_table::{ContentArrangement, Table, presets};

use crate::control::FlowRow;
use crate::reload::PatchRow;

/// An empty table in the house's look, as wide as the terminal.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

pub fn patches(rows: &[PatchRow]) {
    if rows.is_empty() {
        return;
    }
    let mut table = table(["patch", "CVE", "mode", "signatures", "pack"]);
    for row in rows {
        let mode = match &row.refused {
            Some(why) => format!("not loaded: {why}"),
            None if row.effective_mode == row.mode => row.mode.to_string(),
            None => format!("{} (asks {})", row.effective_mode, row.mode),
        };
        table.add_row([
            row.id.clone(),
            row.cve.join(" "),
            mode,
            row.signatures.to_string(),
            format!("{} {}", row.pack, row.pack_version),
        ]);
    }
    anstream::println!("{table}");
}

pub fn flows(rows: &[FlowRow]) {
    if rows.is_empty() {
        return;
    }
    let mut table = table([
        "flow", "proto", "client", "server", "app", "state", "packets", "bytes", "age",
    ]);
    for row in rows {
        table.add_row([
            row.flow_id.to_string(),
            row.protocol.clone(),
            row.client.clone(),
            row.server.clone(),
            row.app.clone(),
            row.state.clone(),
            format!("{} → {} ←", row.packets[0], row.packets[1]),
            format!("{} → {} ←", bytes(row.bytes[0]), bytes(row.bytes[1])),
            duration(row.age_secs),
        ]);
    }
    anstream::println!("{table}");
}

/// `1.5 MB`; decimal units.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{n} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// `2 d 3 h`, `4 min`, `17 s`: the two largest units.
pub fn duration(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500_000), "1.5 MB");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3_660), "1 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
