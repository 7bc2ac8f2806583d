//! The styles of the output. `anstream` removes them if the output is not a terminal or `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

/// For what is right.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// For what is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// For remarks.
pub(crate) const MILD: Style = AnsiColor::Yellow.on_default().bold();
/// For headings.
pub(crate) const HEADING: Style = Style::new().bold();
