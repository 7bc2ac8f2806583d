//! The manual. Every example is tested.

macro_rules! chapters {
    ($($name:ident $file:literal)*) => {$(
        #[doc = include_str!($file)]
        pub mod $name {}
    )*};
}

chapters! {
    layouts "guide/layouts.md"
    keys "guide/keys.md"
    counter_stores "guide/counter_stores.md"
    web_service "guide/web_service.md"
    after_the_tap "guide/after_the_tap.md"
    setting_up_a_tag "guide/setting_up_a_tag.md"
    chips "guide/chips.md"
    troubleshooting "guide/troubleshooting.md"
    operating "guide/operating.md"
    webhooks "guide/webhooks.md"
    importing "guide/importing.md"
    moving "guide/moving.md"
    microcontrollers "guide/microcontrollers.md"
    other_languages "guide/other_languages.md"
    performance "guide/performance.md"
    scaling "guide/scaling.md"
    glossary "guide/glossary.md"
    threat_model "guide/threat_model.md"
    evidence "guide/evidence.md"
}
