//! Rules that choose the answer text for a tap.
//!
//! A rule set has up to three groups in a fixed order, and a default response. The answer is the response of the first
//! group whose rules all match. If no group matches, the answer is the default response.
//!
//! A rule set belongs to a tag group or to one tag code. If a tag code has its own rule set, that rule set is
//! used instead of the tag group's rule set. The exception is *layering*, which applies if a response of the tag group
//! contains `{tagcodedr}`. The tag group's rule set is then used, and the tag code's default response replaces
//! `{tagcodedr}`.
//!
//! The rules follow ixkio's documentation of rules and subtags, as far as it applies to an API. Two details are our
//! choice. The rules in a group are combined with AND. A group without rules never matches.
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

/// The subtag that is replaced with the tag code's default response. It can occur in the responses of a tag group.
pub(crate) const LAYER: &str = "{tagcodedr}";

/// A condition on a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// *Tag Authentication*: matches if the tap is genuine and new.
    TagAuthentication,
    /// *Scan Count*: compares the number of accepted taps of the tag, including this tap. If the number is not known,
    /// the rule does not match.
    ScanCount(Comparison, u32),
    /// *Tamper*: compares the TTPermStatus and TTCurrStatus of an accepted tap. If they are not known, the rule never
    /// matches, even with [`Equality::NotEqual`].
    Tamper(Equality, [u8; 2]),
}

/// The comparison of a count with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The count is below the target.
    LessThan,
    /// The count is above the target.
    MoreThan,
    /// The count equals the target.
    Equal,
    /// The count differs from the target.
    NotEqual,
}

/// The comparison of a text with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Equality {
    /// The text equals the target.
    Equal,
    /// The text differs from the target.
    NotEqual,
}

/// Rules that must all match, and the response if they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleGroup<'r> {
    /// The rules. A group without rules never matches, so its response is never used.
    pub rules: &'r [Rule],
    /// The response text, which can contain [subtags](Subtags).
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

/// The rules of a tag: the rule set of its tag group, and the rule set of its tag code if there is one.
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
    /// Returns the rule set that applies to the tag.
    fn in_force(&self) -> &RuleSet<'r> {
        match &self.tag_code {
            Some(own) if self.tag_group.layers().next().is_none() => own,
            _ => &self.tag_group,
        }
    }

    /// Returns `true` if a genuine tap can get a different answer from a forged one. This is the case if the rule set
    /// that applies has a group with [`Rule::TagAuthentication`] whose response differs from the default response.
    #[must_use]
    pub fn show_authenticity(&self) -> bool {
        let rules = self.in_force();
        let filled = |text: &'r str| if text.eq_ignore_ascii_case("{tagcodedr}") { self.layer() } else { text };
        rules.groups.iter().flatten().any(|group| {
            group.rules.contains(&Rule::TagAuthentication) && filled(group.response) != filled(rules.default)
        })
    }

    /// Returns the response text. Its subtags are not filled yet.
    #[must_use]
    pub fn response(&self, input: &RuleInput) -> &'r str {
        self.in_force().response(input)
    }

    /// Returns the default response of the rule set that applies to the tag. A standard tag always gets this response.
    #[must_use]
    pub fn default_response(&self) -> &'r str {
        self.in_force().default
    }

    /// Returns the text that replaces `{tagcodedr}`. It is the tag code's default response, or an empty text if the tag
    /// code has no rule set.
    #[must_use]
    pub fn layer(&self) -> &'r str {
        self.tag_code.map_or("", |own| own.default)
    }

    /// Checks the rules for mistakes. Call this function when you import rules. The other functions do not require this
    /// check.
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
    /// A group has no rules, so it never matches.
    EmptyGroup,
    /// More than one response of the tag group contains `{tagcodedr}`.
    LayeredTwice,
    /// A response of the tag code contains `{tagcodedr}`, which is the placeholder for the tag code's own default
    /// response.
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
