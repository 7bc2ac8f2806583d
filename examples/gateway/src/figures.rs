//! Measures the instructions and the stack of a verification. With `-icount shift=0` QEMU derives its clock, and so
//! SysTick, from executed instructions. A loop of known length gives the number of instructions per tick.

use core::hint::black_box;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{Peripherals, SYST};
use semihosting::println;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, sdm_layout};

use crate::{Counters, Door, stack};

/// NXP AN12196 Rev 1.8, §4.4.4.2.1.
static AES: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
const AES_TAP: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
/// A recorded tap of nfc-developer/sdm-backend.
static LRP: SdmLayout =
    sdm_layout!(Scheme::Lrp, "https://sdm.nfcdeveloper.com/tag?picc_data={picc:uid,ctr}&cmac={mac}");
const LRP_TAP: &str = "https://sdm.nfcdeveloper.com/tag?picc_data=1FCBE61B3E4CAD980CBFDD333E7A4AC4A579569BAFD22C5F\
                       &cmac=4231608BA7B02BA9";
/// A later tap of the door's tag, and a forged tap.
const DOOR_TAP: &str = include_str!("../taps/later.txt");
const FORGED_TAP: &str = "https://door.example/t?e=00000000000000000000000000000000&c=0000000000000000";

/// The number of instructions of the calibration loop. `delay` runs one iteration of two instructions for every two
/// requested cycles.
const KNOWN: u32 = 1 << 20;

pub(crate) fn run(door: &Door, counters: &mut Counters<'_>) {
    let Some(mut peripherals) = Peripherals::take() else { return };
    let clock = &mut peripherals.SYST;
    clock.set_clock_source(SystClkSource::Core);
    clock.set_reload(0x00FF_FFFF);
    clock.clear_current();
    clock.enable_counter();
    let (known, ()) = ticks(|| cortex_m::asm::delay(KNOWN));
    // If a verdict is wrong, its figure is not printed, and `run.sh` fails.
    let print_instructions = |name: &str, (ticks, verdict): (u32, bool), expected: bool| {
        let instructions = u64::from(ticks) * u64::from(KNOWN) / u64::from(known.max(1));
        if verdict == expected {
            println!("figure: instructions {name} {instructions}");
        }
    };
    let print_stack = |name: &str, (bytes, is_genuine): (u32, bool)| {
        if is_genuine {
            println!("figure: stack {name} {bytes}");
        }
    };

    let verdict = |layout: &'static SdmLayout, url: &'static str| {
        let mode = layout.scheme();
        let meta = SdmMetaReadKey::FACTORY.prepare(mode);
        move || {
            let Ok(parsed) = layout.parse(black_box(url)) else { return false };
            parsed.open(&meta).is_ok_and(|claimed| claimed.verify(&SdmFileReadKey::FACTORY).is_ok())
        }
    };
    let (aes, lrp) = (verdict(&AES, AES_TAP), verdict(&LRP, LRP_TAP));
    let door_tap = DOOR_TAP.trim_ascii_end();
    print_instructions("aes", ticks(&aes), true);
    print_instructions("lrp", ticks(&lrp), true);
    print_instructions("an10922-aes-flash", ticks(|| door.admit(black_box(door_tap), counters, None).is_ok()), true);
    print_instructions("forged", ticks(|| door.admit(black_box(FORGED_TAP), counters, None).is_ok()), false);
    print_stack("aes", stack::used_by(&aes));
    print_stack("lrp", stack::used_by(&lrp));
    print_stack("an10922-aes", stack::used_by(|| door.verify(black_box(door_tap)).is_ok()));
}

/// Returns the number of ticks that `work` takes, and its result. The number must fit into the 24 bits of SysTick.
fn ticks<T>(work: impl FnOnce() -> T) -> (u32, T) {
    let before = SYST::get_current();
    let result = black_box(work());
    // SysTick counts down.
    (before.wrapping_sub(SYST::get_current()) & 0x00FF_FFFF, result)
}
