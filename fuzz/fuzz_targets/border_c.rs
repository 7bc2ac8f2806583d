//! Calls the functions of the binding for C in any order, as a careless program does: with any bytes, with pointers that
//! are null, misaligned or overlap, with verifiers that are not initialized or were wiped, and with stores that fail, lie
//! or call the binding again. The program keeps the one rule that the library cannot check: its pointers point to memory
//! of the right size.
#![no_main]

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::sync::OnceLock;
use std::{mem, ptr};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use suntap::MasterKey;
use suntap::kdf::an10922;
use suntap_c::api::*;
use suntap_c::{
    Key, Mark, SUNTAP_ADVANCED, SUNTAP_FAILED, SUNTAP_FILE_DATA_SIZE, SUNTAP_STALE, SUNTAP_VERIFIER_SIZE, Settings,
    Store, Tap, VerifierBuffer, Why,
};
use suntap_fuzz::c::{At, Behaviour, Call, Counters, Memory, Seen, advance, read};
use suntap_fuzz::edits::{Edit, edited_bytes};
use suntap_fuzz::tags::ndef_file;
use suntap_testkit::line::{Said, TEMPLATES, target};
use suntap_testkit::{Tag, Tap as Written};

const META_KEY: [u8; 16] = *b"a key to open it";
/// The key of all tags, or the master key.
const KEY: [u8; 16] = *b"all tags have it";
const SUFFIX: &[u8] = b"suffix";

const FRESH: i32 = 0;
const NO_COUNTER: i32 = 3;
const REPLAYED: i32 = 4;
const STORE_FAILED: i32 = 5;
const INVALID_TEMPLATE: i32 = 6;
const INVALID_KEY: i32 = 7;
const INVALID_SETTINGS: i32 = 8;
const INVALID_ARGUMENT: i32 = 9;

#[derive(Debug)]
struct Input {
    template: u8,
    lrp: bool,
    /// The keys of the tags are derived from a master key.
    is_derived: bool,
    behaviours: [Behaviour; 2],
    steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Input {
    /// Reads steps until there are no bytes. A `Vec` ends after each element with a probability of one half.
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let (template, lrp, is_derived, behaviours) = bytes.arbitrary()?;
        let mut steps = Vec::new();
        while !bytes.is_empty() && steps.len() < 30 {
            steps.push(bytes.arbitrary()?);
        }
        Ok(Self { template, lrp, is_derived, behaviours, steps })
    }
}

#[derive(Arbitrary, Debug)]
enum Step {
    Init(Init),
    Admit(Admit),
    Wipe {
        slot: u8,
        verifier: At,
    },
    /// A program should not copy a verifier, but a copy works.
    Copy {
        from: u8,
        to: u8,
    },
    /// The memory of a verifier is used for something else.
    Scribble {
        slot: u8,
        byte: u8,
    },
    Behave {
        store: u8,
        behaviour: Behaviour,
    },
    StoreCheck {
        store: u8,
        odd: OddStore,
        run: u8,
        why: At,
    },
    Mark {
        mark: (At, u64, u32, u32),
        stored: At,
        ctr: u32,
        at: u64,
    },
    Key {
        key: At,
        hex: At,
        text: Vec<u8>,
        is_hex: bool,
        len: Len,
        wiped: At,
    },
    Texts {
        code: i32,
    },
}

#[derive(Arbitrary, Debug, Default)]
struct Init {
    slot: u8,
    verifier: At,
    settings: At,
    why: At,
    /// Instead of the right size.
    size: Option<u16>,
    change: Option<Change>,
}

/// How settings differ from the right ones.
#[derive(Arbitrary, Debug)]
struct Change {
    scheme: (At, Option<Vec<u8>>),
    template: (At, Vec<Edit>),
    meta: At,
    file: At,
    master: At,
    suffix: (At, Option<Vec<u8>>, Len),
    has_both_keys: bool,
    key: Option<[u8; 16]>,
    epoch: u32,
}

#[derive(Arbitrary, Debug)]
struct Admit {
    slot: u8,
    form: u8,
    base: u8,
    store: u8,
    at: u64,
    tap: At,
    why: At,
    odd: Option<Odd>,
}

/// How the arguments differ from those of a careful program.
#[derive(Arbitrary, Debug, Default)]
struct Odd {
    verifier: At,
    /// The function is for another form.
    other_form: bool,
    url: At,
    edits: Vec<Edit>,
    any: Option<Vec<u8>>,
    len: Len,
    store: OddStore,
}

#[derive(Arbitrary, Clone, Copy, Debug, Default)]
struct OddStore {
    at: At,
    has_no_context: bool,
    has_no_function: bool,
}

/// The length that a call gives. It is never longer than the memory, except for one that no memory can have.
#[derive(Arbitrary, Clone, Copy, Debug, Default)]
enum Len {
    #[default]
    Right,
    Shorter(u16),
    Impossible(u8),
}

impl Len {
    fn given(self, len: usize) -> usize {
        match self {
            Self::Right => len,
            Self::Shorter(most) => len.min(usize::from(most)),
            Self::Impossible(less) if less < 128 => usize::MAX - usize::from(less),
            Self::Impossible(more) => isize::MAX as usize + usize::from(more),
        }
    }

    fn is_impossible(self) -> bool {
        matches!(self, Self::Impossible(_))
    }
}

/// Two tags with the same settings, and their taps.
struct World {
    scheme: Vec<u8>,
    template: &'static str,
    is_derived: bool,
    /// As URLs, as request targets, and as NDEF files.
    taps: [Vec<Vec<u8>>; 3],
    said: Vec<Said>,
}

impl World {
    fn new(template: &'static str, lrp: bool, is_derived: bool) -> Self {
        let mut taps = [const { Vec::new() }; 3];
        let mut said = Vec::new();
        for number in [1, 2] {
            let uid = [4, 0x11, 0x22, 0x33, 0x44, 0x55, number];
            let derived = || an10922::derive(&MasterKey::from_bytes(KEY), &[&uid, SUFFIX]).unwrap();
            let tag = Tag { lrp, meta_key: META_KEY, file_key: if is_derived { derived() } else { KEY }, uid };
            // The last tap has no counter, although its layout allows one.
            let without_ctr = template.replace("{picc}", "{picc:uid}");
            let has_last = without_ctr != template && !template.contains("{enc}");
            let taps_of_tag = [(template, 1), (template, 0x12_3456), (&*without_ctr, 1)];
            for (template, ctr) in taps_of_tag.into_iter().take(if has_last { 3 } else { 2 }) {
                let file_data = (0..32).map(|index| number ^ index).collect();
                let tap = Written { ctr, padding: [number; 12], file_data, tt: *b"CC" };
                let url = tag.write(template, &tap).url;
                taps[1].push(target(&url).into_bytes());
                taps[2].push(ndef_file(&url));
                taps[0].push(url.into_bytes());
                said.push(Said::expected(template, &tag, &tap));
            }
        }
        let scheme = if lrp { b"lrp".to_vec() } else { b"aes".to_vec() };
        Self { scheme, template, is_derived, taps, said }
    }

    fn chosen(input: &Input) -> &'static Self {
        static WORLDS: OnceLock<Vec<World>> = OnceLock::new();
        let worlds = WORLDS.get_or_init(|| {
            let mut worlds = Vec::new();
            for template in TEMPLATES {
                for number in 0..4 {
                    // Without a UID, no key can be derived.
                    let has_uid = ["{uid}", "{picc}", "{picc:uid}"].iter().any(|element| template.contains(element));
                    worlds.push(Self::new(template, number % 2 == 1, number > 1 && has_uid));
                }
            }
            worlds
        });
        let template = usize::from(input.template) % TEMPLATES.len();
        &worlds[4 * template + 2 * usize::from(input.is_derived) + usize::from(input.lrp)]
    }

    fn has_picc(&self) -> bool {
        self.template.contains("{picc")
    }
}

/// What the memory for a verifier contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing that can be used.
    Unusable,
    /// A verifier with the right settings.
    Right,
    /// A verifier with other settings.
    Other,
}

struct Program {
    world: &'static World,
    slots: [(Memory, State); 3],
    stores: [Box<Counters>; 2],
    /// The numbers of checks of each store.
    runs: BTreeSet<(usize, u8)>,
}

fuzz_target!(|input: Input| {
    let slots = [0, 0x5A, 0xFF].map(|byte| (Memory::for_type::<VerifierBuffer>(byte), State::Unusable));
    let mut program =
        Program { world: World::chosen(&input), slots, stores: Default::default(), runs: BTreeSet::new() };
    for (store, behaviour) in program.stores.iter_mut().zip(input.behaviours) {
        store.behaviour = behaviour;
    }
    // Most programs begin like this.
    program.init(&Init::default());
    for step in &input.steps {
        program.run(step);
    }
    for (memory, _) in &program.slots {
        // SAFETY: the memory is that of a verifier.
        unsafe { suntap_verifier_wipe(memory.at()) };
        assert!(memory.bytes().iter().all(|byte| *byte == 0));
    }
});

impl Program {
    fn run(&mut self, step: &Step) {
        match step {
            Step::Init(init) => self.init(init),
            Step::Admit(admit) => self.admit(admit),
            Step::Wipe { slot, verifier } => self.wipe(*slot, *verifier),
            Step::Copy { from, to } => {
                let (from, to) = (usize::from(*from) % 3, usize::from(*to) % 3);
                let (source, state) = (self.slots[from].0.at::<VerifierBuffer>(), self.slots[from].1);
                // SAFETY: both have the size of a verifier.
                unsafe { ptr::copy(source, self.slots[to].0.at(), 1) };
                self.slots[to].1 = state;
            }
            Step::Scribble { slot, byte } => {
                let (memory, state) = &mut self.slots[usize::from(*slot) % 3];
                memory.fill(*byte);
                *state = State::Unusable;
            }
            Step::Behave { store, behaviour } => self.stores[usize::from(*store) % 2].behaviour = *behaviour,
            Step::StoreCheck { store, odd, run, why } => self.store_check(usize::from(*store) % 2, *odd, *run, *why),
            Step::Mark { mark, stored, ctr, at } => mark_advance(*mark, *stored, *ctr, *at),
            Step::Key { key, hex, text, is_hex, len, wiped } => {
                key_from_hex(*key, *hex, text, *is_hex, *len);
                key_wipe(*wiped);
            }
            Step::Texts { code } => texts(*code),
        }
    }

    fn init(&mut self, init: &Init) {
        let world = self.world;
        let (memory, state) = &mut self.slots[usize::from(init.slot) % 3];
        let mut call = Call::new();
        let verifier = match init.verifier {
            At::Own => {
                call.external_output(memory.at::<VerifierBuffer>());
                memory.at()
            }
            at => call.output(at),
        };
        let why: *mut Why = call.output(init.why);
        let settings = settings(world, init, &mut call);
        // The settings are written last, so that no other argument in the shared memory overwrites their pointers.
        let pointer = call.value(init.settings, settings);
        if is_usable(pointer) {
            add_parts(&settings, &mut call);
        }
        let size = init.size.map_or(SUNTAP_VERIFIER_SIZE, usize::from);
        call.begin();
        // SAFETY: all pointers are null or point to memory of the right size.
        let code = unsafe { suntap_verifier_init(verifier, size, pointer, why) };
        if size != SUNTAP_VERIFIER_SIZE || call.overlaps() {
            assert_eq!(code, INVALID_ARGUMENT);
            call.assert_unchanged();
            return;
        }
        call.assert_rest_unchanged();
        check_why(why, code);
        let is_right = init.change.is_none();
        if !is_usable(verifier) || !is_usable(pointer) {
            assert_eq!(code, INVALID_ARGUMENT);
        } else if is_right {
            // A replay of a tap without a counter cannot be detected.
            let has_ctr = ["ctr}", "{picc}"].iter().any(|element| world.template.contains(element));
            assert_eq!(code, if has_ctr { FRESH } else { INVALID_SETTINGS });
        }
        assert!([FRESH, INVALID_TEMPLATE, INVALID_SETTINGS, INVALID_ARGUMENT].contains(&code), "{code}");
        if init.verifier == At::Own {
            *state = match code {
                FRESH if is_right => State::Right,
                FRESH => State::Other,
                _ => State::Unusable,
            };
        } else if is_usable(verifier) {
            // SAFETY: the memory has the size of a verifier.
            unsafe { suntap_verifier_wipe(verifier) };
            assert!(read(verifier).unwrap().opaque.iter().all(|word| *word == 0));
        }
    }

    fn wipe(&mut self, slot: u8, verifier: At) {
        let (memory, state) = &mut self.slots[usize::from(slot) % 3];
        let mut call = Call::new();
        let pointer: *mut VerifierBuffer = if verifier == At::Own { memory.at() } else { call.output(verifier) };
        call.begin();
        // SAFETY: null, or memory of the right size.
        unsafe { suntap_verifier_wipe(pointer) };
        call.assert_rest_unchanged();
        if !is_usable(pointer) {
            call.assert_unchanged();
        } else {
            assert!(read(pointer).unwrap().opaque.iter().all(|word| *word == 0));
        }
        if verifier == At::Own {
            *state = State::Unusable;
        }
    }

    /// Returns a pointer to a store, and the counters behind it if its function can be called.
    fn store(&mut self, which: usize, odd: OddStore, call: &mut Call) -> (*const Store, Option<*mut Counters>) {
        let counters: *mut Counters = &raw mut *self.stores[which];
        let ctx = if odd.has_no_context { ptr::null_mut() } else { counters };
        let function = (!odd.has_no_function).then_some(advance as _);
        let pointer = call.value(odd.at, Store { ctx: ctx.cast(), advance: function });
        (pointer, (is_usable(pointer) && !odd.has_no_function).then_some(ctx))
    }

    fn admit(&mut self, admit: &Admit) {
        let world = self.world;
        let careful = Odd::default();
        let odd = admit.odd.as_ref().unwrap_or(&careful);
        // Mostly the verifier that is initialized first.
        let index = usize::from(admit.slot.saturating_sub(180)) % 3;
        let state = self.slots[index].1;
        let mut call = Call::new();
        let tap: *mut Tap = call.output(admit.tap);
        let why: *mut Why = call.output(admit.why);
        let form = usize::from(admit.form) % 3;
        let taps = &world.taps[form];
        let bytes = match &odd.any {
            Some(bytes) => bytes.clone(),
            None => edited_bytes(taps, admit.base, &odd.edits),
        };
        let len = odd.len.given(bytes.len());
        // So that AddressSanitizer detects a read of the first byte after the length.
        let bytes = bytes.get(..len).unwrap_or(&bytes);
        let url = call.input(odd.url, bytes);
        if odd.len.is_impossible() {
            call.impossible_input(url);
        }
        let (store, counters) = self.store(usize::from(admit.store) % 2, odd.store, &mut call);
        let verifier: *const VerifierBuffer = match odd.verifier {
            At::Own => {
                call.external_input(self.slots[index].0.at::<VerifierBuffer>(), SUNTAP_VERIFIER_SIZE);
                self.slots[index].0.at()
            }
            // Memory of other arguments, which is not a verifier.
            at => {
                let pointer = call.input(at, &[]).cast::<VerifierBuffer>();
                call.external_input(pointer, SUNTAP_VERIFIER_SIZE);
                if read(pointer).is_some_and(|buffer| buffer.opaque[0].to_be_bytes() == *b"suntap.v") {
                    return;
                }
                pointer
            }
        };
        let before = self.slots[index].0.bytes();
        let function = (form + usize::from(odd.other_form)) % 3;
        let has_function = counters.is_some();
        let context = counters.filter(|counters| !counters.is_null());
        let (mut honest, mut is_nested) = (None, false);
        if let Some(counters) = context {
            // SAFETY: the program owns the counters.
            let counters = unsafe { &mut *counters };
            counters.seen.clear();
            counters.nested = (function == 0).then_some((verifier, url, len));
            is_nested = function == 0 && matches!(counters.behaviour, Behaviour::Nested);
            let is_honest = matches!(counters.behaviour, Behaviour::Honest | Behaviour::Nested);
            honest = is_honest.then(|| counters.marks.clone());
        }
        call.begin();
        // SAFETY: all pointers are null or point to memory of the right size.
        let code = unsafe {
            match function {
                0 => suntap_admit(verifier, url.cast(), len, store, admit.at, tap, why),
                1 => suntap_admit_origin_form(verifier, url.cast(), len, store, admit.at, tap, why),
                _ => suntap_admit_ndef_file(verifier, url, len, store, admit.at, tap, why),
            }
        };
        assert_eq!(self.slots[index].0.bytes(), before);
        // SAFETY: the call has ended.
        let mut counters = context.map(|counters| unsafe { &mut *counters });
        let seen = counters.as_mut().map_or(Vec::new(), |counters| mem::take(&mut counters.seen));
        if call.overlaps() {
            assert_eq!(code, INVALID_ARGUMENT);
            call.assert_unchanged();
            assert!(seen.is_empty());
            return;
        }
        call.assert_rest_unchanged();
        check_why(why, code);
        let is_verifier = odd.verifier == At::Own && state != State::Unusable;
        let is_complete = is_verifier && is_usable(tap) && !url.is_null() && has_function;
        assert_eq!(code == INVALID_ARGUMENT, !is_complete, "{code}");
        let Some(content) = read(tap).filter(|_| is_usable(tap)) else {
            assert!(seen.is_empty());
            return;
        };
        if code != FRESH {
            // SAFETY: a `Tap` has only numbers.
            assert_eq!(content, unsafe { mem::zeroed() });
        }
        if context.is_some() {
            check_calls(code, &content, &seen, admit.at);
        }
        if code == FRESH {
            check_content(&content);
            if state == State::Right {
                assert!(world.said.iter().any(|said| agrees(&content, said)), "forged: {content:?}");
            }
            if let (Some(counters), Some(_)) = (counters.as_mut(), &honest) {
                counters.accept(&content);
            }
        }
        // The expected result of an unchanged tap. In the shared memory, another argument may have overwritten it.
        let base = usize::from(admit.base) % taps.len();
        let is_unchanged = odd.url == At::Own && *bytes == *taps[base];
        if state == State::Right && is_complete && function == form && is_unchanged {
            let said = &world.said[base];
            match (said.ctr, honest, seen.first()) {
                (None, ..) => assert_eq!(code, NO_COUNTER),
                (Some(ctr), Some(marks), Some(seen)) => {
                    let known = marks.get(&seen.id).map(|mark| mark.ctr);
                    // The nested call accepted the tap.
                    let is_fresh = known.is_none_or(|known| known < ctr) && !is_nested;
                    assert_eq!(code, if is_fresh { FRESH } else { REPLAYED });
                    assert!(!is_fresh || agrees(&content, said));
                }
                (Some(_), None, _) => assert!([FRESH, REPLAYED, STORE_FAILED].contains(&code), "{code}"),
                (Some(_), Some(_), None) => panic!("the store was not called"),
            }
        }
    }

    fn store_check(&mut self, which: usize, odd: OddStore, run: u8, why: At) {
        let mut call = Call::new();
        let why: *mut Why = call.output(why);
        let (store, counters) = self.store(which, odd, &mut call);
        let behaviour = self.stores[which].behaviour;
        // A nested call would need a verifier.
        self.stores[which].nested = None;
        call.begin();
        // SAFETY: all pointers are null or point to memory of the right size.
        let code = unsafe { suntap_store_check(store, u64::from(run), why) };
        self.stores[which].seen.clear();
        if call.overlaps() {
            assert_eq!(code, INVALID_ARGUMENT);
            call.assert_unchanged();
            return;
        }
        call.assert_rest_unchanged();
        check_why(why, code);
        let Some(counters) = counters else { return assert_eq!(code, INVALID_ARGUMENT) };
        let is_new = self.runs.insert((which, run));
        match behaviour {
            // One answer for all calls breaks a rule.
            _ if counters.is_null() => assert_eq!(code, STORE_FAILED),
            Behaviour::Answers { .. } | Behaviour::Fails { .. } => assert_eq!(code, STORE_FAILED),
            Behaviour::Honest | Behaviour::Nested if is_new => assert_eq!(code, FRESH),
            Behaviour::Honest | Behaviour::Nested => assert!([FRESH, STORE_FAILED].contains(&code)),
        }
    }
}

/// Returns the settings of a call. Their parts are not arguments yet.
fn settings(world: &World, init: &Init, call: &mut Call) -> Settings {
    let key = |call: &mut Call, at, bytes: [u8; 16]| call.put(at, &bytes).cast::<Key>();
    let text = |call: &mut Call, at, text: &[u8]| call.put(at, &[text, b"\0"].concat()).cast::<c_char>();
    let is_derived = world.is_derived;
    let Some(change) = &init.change else {
        let (own, file) = (At::Own, |is_wanted| if is_wanted { At::Own } else { At::Null });
        return Settings {
            scheme: text(call, own, &world.scheme),
            url_template: text(call, own, world.template.as_bytes()),
            meta_read_key: key(call, file(world.has_picc()), META_KEY),
            file_read_key: key(call, file(!is_derived), KEY),
            master_key: key(call, file(is_derived), KEY),
            suffix: call.put(file(is_derived), SUFFIX),
            suffix_len: if is_derived { SUFFIX.len() } else { 0 },
            epoch: 0,
        };
    };
    let only = |is_wanted, at| if is_wanted || change.has_both_keys { at } else { At::Null };
    let bytes = change.key.unwrap_or(KEY);
    let (at, suffix, len) = &change.suffix;
    let suffix = suffix.as_deref().unwrap_or(if is_derived { SUFFIX } else { b"" });
    let suffix_at = if is_derived || !suffix.is_empty() { *at } else { At::Null };
    let suffix_len = len.given(suffix.len());
    Settings {
        scheme: text(call, change.scheme.0, change.scheme.1.as_deref().unwrap_or(&world.scheme)),
        url_template: text(call, change.template.0, &edited_bytes(&[world.template], 0, &change.template.1)),
        meta_read_key: key(call, only(world.has_picc(), change.meta), META_KEY),
        file_read_key: key(call, only(!is_derived, change.file), bytes),
        master_key: key(call, only(is_derived, change.master), bytes),
        suffix: call.put(suffix_at, suffix.get(..suffix_len).unwrap_or(suffix)),
        suffix_len,
        epoch: change.epoch,
    }
}

/// Adds the parts of settings to the arguments of a call. A text in the shared memory may end at another place than it
/// was written, because other arguments overwrote it.
fn add_parts(settings: &Settings, call: &mut Call) {
    call.external_input(settings.scheme, length(settings.scheme, 16));
    call.external_input(settings.url_template, length(settings.url_template, 257));
    for key in [settings.meta_read_key, settings.file_read_key, settings.master_key] {
        call.external_input(key, size_of::<Key>());
    }
    if isize::try_from(settings.suffix_len).is_ok() {
        call.external_input(settings.suffix, settings.suffix_len);
    } else {
        call.impossible_input(settings.suffix);
    }
}

/// Returns the length of a text, at most `max`.
fn length(text: *const c_char, max: usize) -> usize {
    // SAFETY: the text has an end, or is in the shared memory, which has enough bytes after it.
    (0..max).take_while(|at| !text.is_null() && unsafe { text.add(*at).read() } != 0).count()
}

fn is_usable<T>(pointer: *const T) -> bool {
    !pointer.is_null() && pointer.is_aligned()
}

/// Asserts that a text of an error is terminated and readable, and that there is one only after an error.
fn check_why(why: *const Why, code: i32) {
    let Some(why) = read(why) else { return };
    let bytes = why.text.map(|letter| letter.to_ne_bytes()[0]);
    let text = CStr::from_bytes_until_nul(&bytes).unwrap().to_bytes();
    assert_eq!(text.is_empty(), code == FRESH, "{code}");
    assert!(text.iter().all(u8::is_ascii));
    assert!(bytes[text.len()..].iter().all(|byte| *byte == 0));
}

/// Asserts that the store was called as the result says.
fn check_calls(code: i32, content: &Tap, seen: &[Seen], at: u64) {
    let [seen] = seen else {
        assert!(seen.is_empty() && ![FRESH, REPLAYED, STORE_FAILED].contains(&code), "{code} {seen:?}");
        return;
    };
    assert_eq!(seen.at, at);
    let stored = seen.stored;
    let is_known = stored != Mark::default();
    let is_valid = !is_known || stored.taps > 0 && stored.ctr <= 0x00FF_FFFF;
    let expected = match seen.result {
        SUNTAP_ADVANCED | SUNTAP_STALE if !is_valid => STORE_FAILED,
        SUNTAP_ADVANCED if is_known && stored.ctr >= seen.ctr => REPLAYED,
        SUNTAP_ADVANCED => FRESH,
        SUNTAP_STALE => REPLAYED,
        _ => STORE_FAILED,
    };
    assert_eq!(code, expected, "{seen:?}");
    if code == FRESH {
        assert_eq!((content.counter_id, content.ctr, content.previous), (seen.id, seen.ctr, stored));
        assert_eq!(content.taps, stored.taps.saturating_add(1));
    }
}

/// Asserts that the members of an accepted tap are in range.
fn check_content(tap: &Tap) {
    let data_len = usize::try_from(tap.file_data_len).unwrap();
    assert!((1..=0x00FF_FFFF).contains(&tap.ctr) && tap.taps > 0 && (0..=4).contains(&tap.seal));
    assert!(tap.uid_len == 7 || tap.uid_len == 0 && tap.uid == [0; 7]);
    assert!(data_len <= SUNTAP_FILE_DATA_SIZE);
}

/// Returns `true` if an accepted tap has this content.
fn agrees(tap: &Tap, said: &Said) -> bool {
    let data = &tap.file_data[..usize::try_from(tap.file_data_len).unwrap()];
    Some(tap.ctr) == said.ctr
        && (tap.uid_len == 7).then_some(tap.uid) == said.uid
        && data == said.file_data.as_deref().unwrap_or_default()
}

/// Compares with the rule in the header.
fn mark_advance((mark_at, at, ctr, taps): (At, u64, u32, u32), stored: At, new_ctr: u32, now: u64) {
    let mut call = Call::new();
    let old = Mark { at, ctr, taps };
    let mark: *mut Mark = call.output(mark_at);
    let stored: *mut Mark = call.output(stored);
    if !mark.is_null() {
        // SAFETY: the memory has the size of a mark.
        unsafe { mark.write_unaligned(old) };
    }
    call.begin();
    // SAFETY: all pointers are null or point to memory of the right size.
    let result = unsafe { suntap_mark_advance(mark, new_ctr, now, stored) };
    let is_known = old != Mark::default();
    let is_valid = !is_known || taps > 0 && ctr <= 0x00FF_FFFF;
    if call.overlaps() || !is_usable(mark) || !is_usable(stored) || !is_valid || new_ctr > 0x00FF_FFFF {
        assert_eq!(result, SUNTAP_FAILED);
        return call.assert_unchanged();
    }
    call.assert_rest_unchanged();
    let is_greater = !is_known || new_ctr > ctr;
    let new = Mark { at: now, ctr: new_ctr, taps: taps.saturating_add(1) };
    assert_eq!(result, if is_greater { SUNTAP_ADVANCED } else { SUNTAP_STALE });
    assert_eq!((read(mark), read(stored)), (Some(if is_greater { new } else { old }), Some(old)));
}

fn key_from_hex(key: At, hex: At, text: &[u8], is_hex: bool, len: Len) {
    let mut call = Call::new();
    let digits = |byte: &u8| [b"0123456789abcdef"[usize::from(byte >> 4)], b"0123456789ABCDEF"[usize::from(byte & 15)]];
    let text = if is_hex { text.iter().flat_map(digits).collect() } else { text.to_vec() };
    let given = len.given(text.len());
    let text = text.get(..given).unwrap_or(&text);
    let key: *mut Key = call.output(key);
    let hex = call.input(hex, text);
    if len.is_impossible() {
        call.impossible_input(hex);
    }
    call.begin();
    // SAFETY: all pointers are null or point to memory of the right size.
    let code = unsafe { suntap_key_from_hex(key, hex.cast(), given) };
    if call.overlaps() || key.is_null() {
        assert_eq!(code, INVALID_ARGUMENT);
        return call.assert_unchanged();
    }
    call.assert_rest_unchanged();
    let bytes = read(key).unwrap().bytes;
    let value = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let expected: Option<Vec<u8>> =
        text.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(*pair.get(1)?)?)).collect();
    let expected = expected.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    match expected.filter(|_| !hex.is_null()) {
        Some(expected) => assert_eq!((code, bytes), (FRESH, expected)),
        None => assert_eq!((code, bytes), (if hex.is_null() { INVALID_ARGUMENT } else { INVALID_KEY }, [0; 16])),
    }
}

fn key_wipe(at: At) {
    let mut call = Call::new();
    let key: *mut Key = call.output(at);
    call.begin();
    // SAFETY: null, or a key.
    unsafe { suntap_key_wipe(key) };
    call.assert_rest_unchanged();
    assert!(read(key).is_none_or(|key| key.bytes == [0; 16]));
}

fn texts(code: i32) {
    let is_known = (FRESH..=INVALID_ARGUMENT).contains(&code);
    // SAFETY: the texts are terminated, as the header says.
    let [name, text, version] = unsafe {
        [suntap_code_name(code), suntap_code_text(code), suntap_version()]
            .map(|text| CStr::from_ptr(text).to_str().unwrap())
    };
    assert_eq!(name != "unknown", is_known);
    assert!(!text.is_empty() && !version.is_empty());
}
