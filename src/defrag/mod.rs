//! IP fragments put together before anything else looks at them.
