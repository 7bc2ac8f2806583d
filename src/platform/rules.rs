//! Rules that choose the response to a tap. The response is a text for the client.
//!
//! A rule set has up to three rule groups in a fixed order, and a default response. Each group has rules and a
//! response. A group matches if all of its rules match. The tap gets the response of the first group that matches. If
//! no group matches, the tap gets the default response.
//!
//! A rule set belongs to a tag group or to a single tag (ixkio: tag code). If a tag has its own rule set, the service
//! normally uses this rule set instead of the tag group's rule set. The exception is *layering*: if a response of the
//! tag group contains the placeholder `{tagcodedr}`, the service uses the tag group's rule set. It then replaces
//! `{tagcodedr}` with the tag's own default response.
//!
//! The rule types *Tag Authentication*, *Scan Count* and *Tamper* follow ixkio's documentation. The other rule types of
//! ixkio, for example those about the phone, are not supported. Two details are our own choice: the rules in a group
//! are combined with AND, and a group without rules never matches.
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

#[cfg(feature = "dialects")]
pub(super) use subtags::Budget;
pub use subtags::{Filled, Subtag, Subtags};

/// The placeholder for the tag's own default response. The placeholder may occur in at most one response of a tag
/// group.
pub(crate) const LAYER: &str = "{tagcodedr}";

/// A condition on a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// *Tag Authentication*: matches if the tap is genuine and new.
    TagAuthentication,
    /// *Scan Count*: compares the number of accepted taps of the tag with the target (the `u32`). If the current tap is
    /// accepted, the number includes this tap. The rule does not match if the number is unknown.
    ScanCount(Comparison, u32),
    /// *Tamper*: compares the tamper status (TTPermStatus and TTCurrStatus) of an accepted tap with the target (the
    /// `[u8; 2]`). If the status is unknown, the rule never matches, even with [`Equality::NotEqual`].
    Tamper(Equality, [u8; 2]),
}

/// A comparison between a count and the target of a rule.
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

/// A comparison between the tamper status and the target of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Equality {
    /// The status equals the target.
    Equal,
    /// The status differs from the target.
    NotEqual,
}

/// A group of rules, and the response that is used if all rules of the group match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleGroup<'r> {
    /// The rules. A group without rules never matches, so its response is never used.
    pub rules: &'r [Rule],
    /// The response text. It can contain [subtags](Subtags), which are placeholders such as `{scount}`.
    pub response: &'r str,
}

/// At most three rule groups in order, and the default response. A tap gets the default response if no group matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleSet<'r> {
    /// The groups, in the order in which the service evaluates them.
    pub groups: [Option<RuleGroup<'r>>; 3],
    /// The response to a tap for which no group matches.
    pub default: &'r str,
}

/// The rules of a tag: the rule set of the tag group, and the tag's own rule set if the tag has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules<'r> {
    /// The rule set of the tag group.
    pub tag_group: RuleSet<'r>,
    /// The tag's own rule set (ixkio: the rules of the tag code).
    pub tag_code: Option<RuleSet<'r>>,
}

/// The properties of a tap that the rules evaluate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleInput {
    /// `true` if the tap is genuine and new.
    pub authentic: bool,
    /// The number of accepted taps of the tag, or `None` if the number is unknown.
    pub scans: Option<u32>,
    /// The tamper status (TTPermStatus and TTCurrStatus). Set this field to `None` if the status is unknown, or if the
    /// MAC does not cover the status.
    pub tamper: Option<[u8; 2]>,
}

impl Rule {
    /// Returns `true` if the rule matches the tap.
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
    /// Returns the rule set that applies to the tag. The tag group's rule set applies if the tag has no rule set of its
    /// own, or if a response of the tag group contains `{tagcodedr}`. Otherwise, the tag's own rule set applies.
    fn in_force(&self) -> &RuleSet<'r> {
        match &self.tag_code {
            Some(own) if self.tag_group.layers().next().is_none() => own,
            _ => &self.tag_group,
        }
    }

    /// Returns `true` if [`Rule::TagAuthentication`] can make the response to a genuine tap differ from the response to
    /// a forged tap. This is the case if a group with this rule has a response that differs from the default response.
    /// The method checks only the rule set that [applies to the tag](self).
    #[must_use]
    pub fn show_authenticity(&self) -> bool {
        let rules = self.in_force();
        let filled = |text: &'r str| if text.eq_ignore_ascii_case("{tagcodedr}") { self.layer() } else { text };
        rules.groups.iter().flatten().any(|group| {
            group.rules.contains(&Rule::TagAuthentication) && filled(group.response) != filled(rules.default)
        })
    }

    /// Returns all response texts of the rule set that [applies to the tag](self).
    #[cfg(feature = "dialects")]
    pub(super) fn responses(&self) -> impl Iterator<Item = &'r str> {
        self.in_force().responses()
    }

    /// Returns the response text for a tap. The text can still contain subtags, which are placeholders such as
    /// `{scount}`.
    #[must_use]
    pub fn response(&self, input: &RuleInput) -> &'r str {
        self.in_force().response(input)
    }

    /// Returns the default response of the rule set that [applies to the tag](self). A tag that cannot be authenticated
    /// always gets this response.
    #[must_use]
    pub fn default_response(&self) -> &'r str {
        self.in_force().default
    }

    /// Returns the text that replaces `{tagcodedr}`: the tag's own default response, or an empty text if the tag has no
    /// rule set of its own.
    #[must_use]
    pub fn layer(&self) -> &'r str {
        self.tag_code.map_or("", |own| own.default)
    }

    /// Checks the rules for mistakes. Call this function when you import rules. The other functions also work with
    /// rules that were not checked.
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

/// A mistake in the rules of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RulesError {
    /// A rule group has no rules, so the group never matches.
    EmptyGroup,
    /// More than one response in the tag group's rule set contains `{tagcodedr}`, the placeholder for the tag's own
    /// default response.
    LayeredTwice,
    /// A response in the tag's own rule set contains `{tagcodedr}`. This placeholder stands for the tag's own default
    /// response, so it may occur only in the rule set of the tag group.
    LayerInTagCode,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyGroup => "a rule group without rules never answers",
            Self::LayeredTwice => "{tagcodedr} may occur in at most one response of a tag group",
            Self::LayerInTagCode => {
                "{tagcodedr} may occur only in the rules of the tag group, not in those of a single tag"
            }
        })
    }
}

impl core::error::Error for RulesError {}
