//! Tables for people.

use clap::ValueEnum;
use serde_json::Value;
use suntap_server::http::admin::model::{Key, Level, Manager, Organisation, State, Tag};
use suntap_server::registry::document::{KeyKind, Role};
use suntap_server::text::visible;

use crate::command::println;

/// A line of a table.
pub(crate) trait Row {
    /// The heads of the columns.
    const HEAD: &'static [&'static str];

    /// The text of each column.
    fn cells(&self) -> Vec<String>;
}

/// Lines that are collected, so that their columns can have the same width.
#[derive(Default)]
pub(crate) struct Table {
    lines: Vec<Vec<String>>,
    widths: Vec<usize>,
    has_head: bool,
}

impl Table {
    pub(crate) fn add<R: Row>(&mut self, row: &R) {
        if !self.has_head {
            self.lines.push(R::HEAD.iter().map(|head| (*head).to_owned()).collect());
            self.has_head = true;
        }
        self.lines.push(row.cells().iter().map(|cell| visible(cell)).collect());
    }

    /// Prints the lines. Later lines are at least as wide.
    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        for line in &self.lines {
            self.widths.resize(self.widths.len().max(line.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for line in self.lines.drain(..) {
            let cells = line.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:<width$}"));
            println(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Returns an object with a line per field. Inner objects are indented.
pub(super) fn fields(value: &Value) -> String {
    let mut text = String::new();
    indented(value, "", &mut text);
    text
}

fn indented(value: &Value, indent: &str, text: &mut String) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        match value {
            Value::Object(_) => {
                text.extend([indent, name, ":\n"]);
                indented(value, &format!("{indent}  "), text);
            }
            Value::String(value) => text.extend([indent, name, ": ", &visible(value), "\n"]),
            value => text.extend([indent, name, ": ", &value.to_string(), "\n"]),
        }
    }
}

fn state(state: State) -> String {
    match state {
        State::Active => "active".into(),
        State::Inactive => "inactive".into(),
    }
}

/// Returns the word for an option of a command.
fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn end(expires: Option<&String>, is_over: bool) -> String {
    match expires {
        Some(at) if is_over => format!("expired {at}"),
        Some(at) => at.clone(),
        None => "-".into(),
    }
}

fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".into())
}

impl Row for Tag {
    const HEAD: &'static [&'static str] = &["TAG", "STATE", "ORGANISATION", "BATCH", "UID", "KEYS", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.tag.clone(),
            state(self.state),
            self.organisation.to_string(),
            or_dash(self.batch.as_ref()),
            or_dash(self.uid.as_ref()),
            or_dash(self.keys.as_ref()),
            or_dash(self.name.as_ref()),
        ]
    }
}

impl Row for Organisation {
    const HEAD: &'static [&'static str] = &["ORGANISATION", "STATE", "ACCOUNT", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![self.organisation.to_string(), state(self.state), or_dash(self.account.as_ref()), self.name.clone()]
    }
}

impl Row for Level {
    const HEAD: &'static [&'static str] = &["ORGANISATION", "PATH", "STATE", "LAYOUT"];

    fn cells(&self) -> Vec<String> {
        let layout = self.layout.as_ref().map(|layout| &layout.template);
        vec![self.organisation.to_string(), self.path.clone(), state(self.state), or_dash(layout)]
    }
}

impl Row for Key {
    const HEAD: &'static [&'static str] = &["ID", "ORGANISATION", "KIND", "EXPIRES", "LABEL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.organisation.to_string(),
            word(&KeyKind::from(self.kind)),
            end(self.expires.as_ref(), self.expired),
            or_dash(self.label.as_ref()),
        ]
    }
}

impl Row for Manager {
    const HEAD: &'static [&'static str] = &["ID", "ROLE", "ORGANISATION", "CREATED", "EXPIRES", "LABEL"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            word(&Role::from(self.role)),
            self.organisation.map_or_else(|| "-".into(), |id| id.to_string()),
            or_dash(self.created.as_ref()),
            end(self.expires.as_ref(), self.expired),
            self.label.clone(),
        ]
    }
}
