//! A registry whose rows own their data, like the rows of a database.

use std::collections::HashMap;
use std::convert::Infallible;

#[cfg(feature = "ecdsa")]
use suntap::TagPublicKey;
use suntap::kdf::ecode::{SealedKeys, TagContext};
use suntap::platform::rules::{Rule, RuleGroup, RuleSet, Rules};
use suntap::platform::{ApiKeyName, ApiKeySecret};
use suntap::platform::{
    Chip, ExtendedData, FileKey, Keys, MetaKey, Names, OrganisationId, Record, Standing, TagRecord, TagRef, TagRegistry,
};
use suntap::{Mark, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid};

/// The secrets from which the tests compute the names of their API keys.
pub static API_KEYS: [ApiKeySecret; 1] = [ApiKeySecret::from_bytes([0xA1; 16])];

#[derive(Clone)]
pub enum RowKeys {
    NotLoaded,
    Held {
        meta: Option<SdmMetaReadKey>,
        file: SdmFileReadKey,
    },
    Sealed {
        keys: SealedKeys,
        tag: TagContext,
    },
    #[cfg(feature = "ecdsa")]
    Signing {
        meta: Option<SdmMetaReadKey>,
        public: TagPublicKey,
    },
}

#[derive(Clone, Default)]
pub struct OwnRules {
    pub groups: Vec<(Vec<Rule>, String)>,
    pub default: String,
}

impl OwnRules {
    fn set(&self) -> RuleSet<'_> {
        let mut groups = [None; 3];
        for (slot, (rules, response)) in groups.iter_mut().zip(&self.groups) {
            *slot = Some(RuleGroup { rules, response });
        }
        RuleSet { groups, default: &self.default }
    }
}

#[derive(Clone)]
pub struct Row {
    pub organisation: u128,
    pub account: String,
    pub number: Option<u64>,
    pub xuid: Option<String>,
    pub cuid: Option<String>,
    pub uid: Option<Uid>,
    pub tag: String,
    pub needs_token: bool,
    pub standing: Standing,
    pub layout: Option<SdmLayout>,
    pub keys: RowKeys,
    pub tamper: bool,
    pub group_rules: OwnRules,
    pub tag_rules: Option<OwnRules>,
    /// The name, the value, and `true` if the answer of the API contains them.
    pub extended: Vec<(String, String, bool)>,
    pub metadata: Option<String>,
    pub last_seen: Option<Mark>,
}

impl Row {
    pub fn new(organisation: u128) -> Self {
        Self {
            organisation,
            account: "abc123".into(),
            number: None,
            xuid: None,
            cuid: None,
            uid: None,
            tag: String::new(),
            needs_token: false,
            standing: Standing::ACTIVE,
            layout: None,
            keys: RowKeys::NotLoaded,
            tamper: false,
            group_rules: OwnRules::default(),
            tag_rules: None,
            extended: Vec::new(),
            metadata: None,
            last_seen: None,
        }
    }

    fn matches(&self, wanted: TagRef<'_>) -> bool {
        match wanted {
            TagRef::Xuid(xuid) => self.xuid.as_deref() == Some(xuid),
            TagRef::Cuid { account, cuid } => self.account == account && self.cuid.as_deref() == Some(cuid),
            TagRef::Uid { account, uid } => self.account == account && self.uid == Some(uid),
            TagRef::Number(number) => self.number == Some(number),
            TagRef::Captured { name: "id", text } => self.xuid.as_deref() == Some(text),
            _ => false,
        }
    }
}

impl TagRecord for Row {
    fn record(&self) -> Record<'_> {
        let keys = match &self.keys {
            RowKeys::NotLoaded => Keys::NotLoaded,
            RowKeys::Held { meta, file } => {
                Keys::Loaded { meta: meta.as_ref().map(MetaKey::Plain), file: FileKey::Plain(file) }
            }
            RowKeys::Sealed { keys, tag } => Keys::Sealed { keys, tag: *tag },
            #[cfg(feature = "ecdsa")]
            RowKeys::Signing { meta, public } => Keys::Signing { meta: meta.as_ref().map(MetaKey::Plain), public },
        };
        let chip = self.layout.as_ref().map(|layout| Chip { layout, keys, tamper: self.tamper, counter: None });
        Record {
            organisation: OrganisationId::new(self.organisation),
            needs_token: self.needs_token,
            standing: self.standing,
            uid: self.uid,
            names: Names {
                xuid: self.xuid.as_deref(),
                cuid: self.cuid.as_deref(),
                tag: Some(&self.tag),
                batch: Some("May"),
                tag_group: Some("Shoes"),
                folder: Some("Demo"),
            },
            chip,
            rules: Rules { tag_group: self.group_rules.set(), tag_code: self.tag_rules.as_ref().map(OwnRules::set) },
            metadata: self.metadata.as_deref(),
            last_seen: self.last_seen,
        }
    }

    fn extended_data(&self, index: usize) -> Option<ExtendedData<'_>> {
        let (name, value, in_response) = self.extended.get(index)?;
        Some(ExtendedData { name, value, in_response: *in_response })
    }
}

#[derive(Clone, Default)]
pub struct Tags {
    pub rows: Vec<Row>,
    pub api_keys: HashMap<ApiKeyName, OrganisationId>,
}

impl Tags {
    pub fn with_api_key(mut self, key: &str, organisation: u128) -> Self {
        self.api_keys.insert(API_KEYS[0].key_name(key.as_bytes()), OrganisationId::new(organisation));
        self
    }

    pub fn with_token(mut self, token: &str, organisation: u128) -> Self {
        self.api_keys.insert(API_KEYS[0].token_name(token.as_bytes()), OrganisationId::new(organisation));
        self
    }
}

impl<'r> TagRegistry for &'r Tags {
    type Record = &'r Row;
    type Error = Infallible;

    fn find(&self, tag: TagRef<'_>) -> Result<Option<&'r Row>, Infallible> {
        if let TagRef::ClaimedUid { uid, nth } = tag {
            return Ok(self.rows.iter().filter(|row| row.uid == Some(uid)).nth(nth));
        }
        Ok(self.rows.iter().find(|row| row.matches(tag)))
    }

    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Infallible> {
        Ok(self.api_keys.get(key).copied())
    }
}
