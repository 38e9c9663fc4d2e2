"use strict";
// The reader's system decides between light and dark.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const choose = () => { document.body.dataset.mdColorScheme = dark.matches ? "slate" : "default"; };
dark.addEventListener("change", choose);
choose();
