//! Colours for people; `anstream` takes them out where nobody looks.

use anstyle::{AnsiColor, Style};

pub const ERROR: Style = AnsiColor::Red.on_default().bold();
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
pub const STRONG: Style = Style::new().bold();
pub const FAINT: Style = Style::new().dimmed();

/// What commands say where the daemon would log it.
pub fn tell_cache_refused() {
    anstream::eprintln!(
        "{WARNING}warning:{WARNING:#} what the cache holds is damaged or not ours alone: rules were read anew"
    );
}
