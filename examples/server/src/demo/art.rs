//! Drawings of the demo.

pub(super) const SHOE: &str = "<path class=\"pale\" d=\"M10 64V40C10 36 15 35 19 39C25 45 33 44 37 37L43 31L63 48C70 53 85 52 87 64Z\"/>\
<path d=\"M8 64H88V68A6 6 0 0 1 82 74H14A6 6 0 0 1 8 68Z\"/><path d=\"M47 47L52 41M55 53L60 47M10 52C20 56 30 55 38 50\"/>";
pub(super) const BOTTLE: &str = "<path class=\"pale\" d=\"M41 10H55V28C55 36 68 40 68 54V82A6 6 0 0 1 62 88H34A6 6 0 0 1 28 82V54\
C28 40 41 36 41 28Z\"/><path d=\"M41 18H55M28 58H68M28 76H68\"/><path class=\"solid\" d=\"M45 6H51V38L48 34L45 38Z\"/>";
pub(super) const TICKET: &str = "<path class=\"pale\" d=\"M10 30H86V42A7 7 0 0 0 86 56V68H10V56A7 7 0 0 0 10 42Z\"/>\
<path d=\"M62 34V40M62 46V52M62 58V64M22 42H50M22 54H42\"/>";
pub(super) const BATCH: &str = "<path class=\"pale\" d=\"M12 36L48 20L84 36V72L48 88L12 72Z\"/>\
<path d=\"M12 36L48 52L84 36M48 52V88M30 28L66 44\"/><path d=\"M60 62L76 78M76 62L60 78\" stroke-width=\"4\"/>";
pub(super) const NOBODY: &str = "<circle class=\"pale\" cx=\"48\" cy=\"48\" r=\"38\" stroke-dasharray=\"5 5\"/>\
<path d=\"M38 39A10 10 0 1 1 52 48C49 50 48 52 48 56\" stroke-width=\"4\"/><path d=\"M48 67V67.4\" stroke-width=\"5\"/>";

pub(super) const TAP: &str = "<rect x=\"3\" y=\"6\" width=\"9\" height=\"15\" rx=\"2\"/>\
<path d=\"M15 10A5 5 0 0 1 15 17M18 7A9.5 9.5 0 0 1 18 20\"/>";
pub(super) const BROKEN: &str =
    "<path d=\"M12 3L10 9L14 12L10 16L12 21\"/><path d=\"M8 4A9 9 0 0 0 8 20M16 4A9 9 0 0 1 16 20\"/>";
pub(super) const CLOSED: &str = "<circle cx=\"12\" cy=\"12\" r=\"9\"/><path d=\"M8 12L11 15L16 9\"/>";
pub(super) const PENCIL: &str = "<path d=\"M4 20L8 19L20 7L17 4L5 16Z\"/>";
pub(super) const AGAIN: &str = "<path d=\"M5 8A8 8 0 1 1 4 13M5 3V8H10\"/>";
pub(super) const PERSON: &str = "<circle cx=\"12\" cy=\"8\" r=\"4\"/><path d=\"M4 21A8 8 0 0 1 20 21\"/>";
pub(super) const PHONE: &str = "<rect x=\"7\" y=\"2\" width=\"10\" height=\"20\" rx=\"2.5\"/><path d=\"M11 18.5H13\"/>";
pub(super) const PAGES: &str = "<rect x=\"8\" y=\"8\" width=\"12\" height=\"13\" rx=\"2\"/>\
<path d=\"M16 5V4A1 1 0 0 0 15 3H5A1 1 0 0 0 4 4V15A1 1 0 0 0 5 16\"/>";
