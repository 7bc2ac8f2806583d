//! Rules that choose the answer text for a tap.
//!
//! A rule set has at most three groups, in order, and a default response. The first group whose rules all match answers
//! with its text. If no group matches, the default answers. A rule set belongs to a tag group or to one tag code. The
//! tag code's own rule set replaces that of its group, unless the group *layers*: if one of the group's texts contains
//! `{tagcodedr}`, the group's rules run, and the tag code's own default fills that place.
//!
//! The rules have the shape of those of the hosted service ixkio, as far as they apply to an API. Source: its
//! documentation of rules and subtags. Two points are our choice: the rules in a group are combined with AND, and a group
//! without rules never answers.
//!
//! ```
//! use suntap::platform::rules::{Comparison, RuleInput, Rule, RuleGroup, RuleSet, Rules};
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
//! let tap = |authentic, scans| RuleInput { authentic, scans: Some(scans), tamper: None };
//! assert_eq!(rules.response(&tap(true, 1)), "Pass, and welcome");
//! assert_eq!(rules.response(&tap(true, 2)), "Pass");
//! assert_eq!(rules.response(&tap(false, 2)), "Fail");
//! ```

use core::fmt;

mod subtags;

pub use subtags::{Filled, Subtag, Subtags};

/// The subtag in a layering group that the tag code's own default fills.
pub(crate) const LAYER: &str = "{tagcodedr}";

/// A condition on a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// *Tag Authentication*: the tap is genuine and new.
    TagAuthentication,
    /// *Scan Count*: the number of accepted taps of the tag, including this one. If it is not known, the rule does not
    /// match.
    ScanCount(Comparison, u32),
    /// *Tamper*: TTPermStatus and TTCurrStatus, as an accepted tap carries them. If they are not known, the rule does
    /// not match, neither as equal nor as not equal.
    Tamper(Equality, [u8; 2]),
}

/// The comparison of a count with the target.
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

/// The comparison of a text with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Equality {
    /// They are equal.
    Equal,
    /// They differ.
    NotEqual,
}

/// Rules that must all match, and the text that then answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleGroup<'r> {
    /// The rules. A group without rules never matches, so its response is never used.
    pub rules: &'r [Rule],
    /// The text, with [subtags](Subtags).
    pub response: &'r str,
}

/// At most three groups in order, and the default response if none matches.
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
    /// The tag code's own rules.
    pub tag_code: Option<RuleSet<'r>>,
}

/// The properties of a tap that the rules evaluate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleInput {
    /// `true` if the tap is genuine and new.
    pub authentic: bool,
    /// The number of accepted taps of the tag.
    pub scans: Option<u32>,
    /// TTPermStatus and TTCurrStatus.
    pub tamper: Option<[u8; 2]>,
}

impl Rule {
    /// Returns `true` if the rule matches.
    #[must_use]
    pub fn matches(&self, input: &RuleInput) -> bool {
        match *self {
            Self::TagAuthentication => input.authentic,
            Self::ScanCount(comparison, target) => input.scans.is_some_and(|scans| match comparison {
                Comparison::LessThan => scans < target,
                Comparison::MoreThan => scans > target,
                Comparison::Equal => scans == target,
                Comparison::NotEqual => scans != target,
            }),
            Self::Tamper(equality, target) => input.tamper.is_some_and(|tamper| match equality {
                Equality::Equal => tamper == target,
                Equality::NotEqual => tamper != target,
            }),
        }
    }
}

impl<'r> RuleSet<'r> {
    /// Returns the response of the first group whose rules all match, or the default response.
    #[must_use]
    pub fn response(&self, input: &RuleInput) -> &'r str {
        let mut groups = self.groups.iter().flatten();
        let first = groups.find(|group| !group.rules.is_empty() && group.rules.iter().all(|rule| rule.matches(input)));
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
    /// Returns the rule set in force.
    fn in_force(&self) -> &RuleSet<'r> {
        match &self.tag_code {
            Some(own) if self.tag_group.layers().next().is_none() => own,
            _ => &self.tag_group,
        }
    }

    /// Returns `true` if a genuine tap can get another answer than a forged one: a group of the rule set in force has
    /// [`Rule::TagAuthentication`], and its response is not the default response.
    #[must_use]
    pub fn show_authenticity(&self) -> bool {
        let rules = self.in_force();
        let filled = |text: &'r str| if text.eq_ignore_ascii_case("{tagcodedr}") { self.layer() } else { text };
        rules.groups.iter().flatten().any(|group| {
            group.rules.contains(&Rule::TagAuthentication) && filled(group.response) != filled(rules.default)
        })
    }

    /// Returns the text that answers, with its subtags not yet filled.
    #[must_use]
    pub fn response(&self, input: &RuleInput) -> &'r str {
        self.in_force().response(input)
    }

    /// Returns the default response of the rule set in force. It is the answer for a standard
    /// tag.
    #[must_use]
    pub fn default_response(&self) -> &'r str {
        self.in_force().default
    }

    /// Returns the text for `{tagcodedr}`: the tag code's own default, or an empty text.
    #[must_use]
    pub fn layer(&self) -> &'r str {
        self.tag_code.map_or("", |own| own.default)
    }

    /// Checks the rules for mistakes. Call it when you import rules; answering works without it.
    ///
    /// # Errors
    /// Returns [`RulesError`] with the first mistake.
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

/// A mistake in rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RulesError {
    /// A group has no rules, so it never answers.
    EmptyGroup,
    /// More than one response of the tag group contains `{tagcodedr}`.
    LayeredTwice,
    /// A response of the tag code contains `{tagcodedr}`, which stands for the tag code's own response.
    LayerInTagCode,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyGroup => "a rule group without rules never answers",
            Self::LayeredTwice => "{tagcodedr} may occur in at most one response of a tag group",
            Self::LayerInTagCode => {
                "{tagcodedr} may occur only in the rules of the tag group, not in those of the tag code"
            }
        })
    }
}

impl core::error::Error for RulesError {}
