//! Rules: which text answers a tap.
//!
//! A rule set is at most three groups in order, and a default. The first group of which every rule matches answers with its
//! text; if none does, the default. It may belong to the tag group or to one tag code, and a tag code's own replaces its group's,
//! unless the group *layers*: where one of its texts holds `{tagcodedr}`, the group's rules run, and that place is filled by the
//! tag code's own default.
//!
//! The shape is that of the rules of the hosted service ixkio, as far as they apply to an API. Source: its documentation of
//! rules and subtags. What is ours: rules in a group
//! are ANDed, and a group without rules answers nothing.
//!
//! ```
//! use suntap::platform::rules::{Comparison, Facts, Rule, RuleGroup, RuleSet, Rules};
//!
//! const FIRST: &[Rule] = &[Rule::TagAuthentication, Rule::ScanCount(Comparison::Equal, 1)];
//! let set = RuleSet {
//!     groups: [
//!         Some(RuleGroup { rules: FIRST, response: "Pass, and welcome" }),
//!         Some(RuleGroup { rules: &[Rule::TagAuthentication], response: "Pass" }),
//!         None,
//!     ],
//!     default: "Fail",
//! };
//! let rules = Rules { tag_group: set, tag_code: None };
//! let tap = |authentic, scans| Facts { authentic, scans: Some(scans), tamper: None };
//! assert_eq!(rules.response(&tap(true, 1)), "Pass, and welcome");
//! assert_eq!(rules.response(&tap(true, 2)), "Pass");
//! assert_eq!(rules.response(&tap(false, 2)), "Fail");
//! ```

use core::fmt;

mod subtags;

pub use subtags::{Filled, Subtag, Subtags};

/// The subtag that a layering group leaves to the tag code.
pub(crate) const LAYER: &str = "{tagcodedr}";

/// What a rule can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// *Tag Authentication*: the tap is genuine and new.
    TagAuthentication,
    /// *Scan Count*: how many taps of the tag were accepted, this one included. Where that is not known, it does not match.
    ScanCount(Comparison, u32),
    /// *Tamper*: TTPermStatus and TTCurrStatus, as an accepted tap carries them. Where they are not known, it does not match,
    /// neither as equal nor as not equal.
    Tamper(Equality, [u8; 2]),
}

/// How a count is compared with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The count is below the target.
    LessThan,
    /// The count is above the target.
    MoreThan,
    /// They are equal.
    Equal,
    /// They differ.
    NotEqual,
}

/// How a text is compared with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Equality {
    /// They are equal.
    Equal,
    /// They differ.
    NotEqual,
}

/// Rules that must all match, and the text that answers then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleGroup<'r> {
    /// The rules. Without any, the group does not answer.
    pub rules: &'r [Rule],
    /// The text, with [subtags](Subtags).
    pub response: &'r str,
}

/// At most three groups in order, and what answers if none does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleSet<'r> {
    /// The groups.
    pub groups: [Option<RuleGroup<'r>>; 3],
    /// The default response.
    pub default: &'r str,
}

/// The rules of a tag: those of its tag group, and its own if it has any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules<'r> {
    /// The rules of the tag group.
    pub tag_group: RuleSet<'r>,
    /// The tag code's own.
    pub tag_code: Option<RuleSet<'r>>,
}

/// What is known of a tap when its answer is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is genuine and new.
    pub authentic: bool,
    /// Accepted taps of the tag.
    pub scans: Option<u32>,
    /// TTPermStatus and TTCurrStatus.
    pub tamper: Option<[u8; 2]>,
}

impl Rule {
    /// Whether the rule matches.
    #[must_use]
    pub fn matches(&self, facts: &Facts) -> bool {
        match *self {
            Self::TagAuthentication => facts.authentic,
            Self::ScanCount(comparison, target) => facts.scans.is_some_and(|scans| match comparison {
                Comparison::LessThan => scans < target,
                Comparison::MoreThan => scans > target,
                Comparison::Equal => scans == target,
                Comparison::NotEqual => scans != target,
            }),
            Self::Tamper(equality, target) => facts.tamper.is_some_and(|tamper| match equality {
                Equality::Equal => tamper == target,
                Equality::NotEqual => tamper != target,
            }),
        }
    }
}

impl<'r> RuleSet<'r> {
    /// The text that answers.
    #[must_use]
    pub fn response(&self, facts: &Facts) -> &'r str {
        let mut groups = self.groups.iter().flatten();
        let first = groups.find(|group| !group.rules.is_empty() && group.rules.iter().all(|rule| rule.matches(facts)));
        first.map_or(self.default, |group| group.response)
    }

    fn responses(&self) -> impl Iterator<Item = &'r str> {
        self.groups.iter().flatten().map(|group| group.response).chain([self.default])
    }

    fn layers(&self) -> impl Iterator<Item = &'r str> {
        self.responses().filter(|response| subtags::has(response, LAYER))
    }
}

impl<'r> Rules<'r> {
    /// The set that decides.
    fn in_force(&self) -> &RuleSet<'r> {
        match &self.tag_code {
            Some(own) if self.tag_group.layers().next().is_none() => own,
            _ => &self.tag_group,
        }
    }

    /// The text that answers, its subtags not filled yet.
    #[must_use]
    pub fn response(&self, facts: &Facts) -> &'r str {
        self.in_force().response(facts)
    }

    /// The default of the rules that are in force: what answers a tag that proves nothing.
    #[must_use]
    pub fn default_response(&self) -> &'r str {
        self.in_force().default
    }

    /// What `{tagcodedr}` stands for: the tag code's own default, or nothing.
    #[must_use]
    pub fn layer(&self) -> &'r str {
        self.tag_code.map_or("", |own| own.default)
    }

    /// Looks for what can not have been meant. For whoever imports rules; answering works without.
    ///
    /// # Errors
    /// [`RulesError`] with the first reason.
    pub fn check(&self) -> Result<(), RulesError> {
        let mut sets = [Some(self.tag_group), self.tag_code].into_iter().flatten();
        if sets.any(|set| set.groups.iter().flatten().any(|group| group.rules.is_empty())) {
            return Err(RulesError::EmptyGroup);
        }
        if self.tag_group.layers().count() > 1 {
            return Err(RulesError::LayeredTwice);
        }
        if self.tag_code.is_some_and(|own| own.layers().next().is_some()) {
            return Err(RulesError::LayerInTagCode);
        }
        Ok(())
    }
}

/// Why rules can not have been meant as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RulesError {
    /// A group has no rules, so it never answers.
    EmptyGroup,
    /// More than one response of the tag group holds `{tagcodedr}`.
    LayeredTwice,
    /// A response of the tag code holds `{tagcodedr}`, which stands for that response.
    LayerInTagCode,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyGroup => "a rule group without rules never answers",
            Self::LayeredTwice => "{tagcodedr} stands in at most one response of a tag group",
            Self::LayerInTagCode => "{tagcodedr} stands in the rules of the tag group, not in those of the tag code",
        })
    }
}

impl core::error::Error for RulesError {}
