"use strict";
const button = document.getElementById("toggle-code");
button.addEventListener("click", () => {
  const show = button.textContent.startsWith("Show");
  document.querySelectorAll("details.code, details.fold").forEach((d) => { d.open = show; });
  button.textContent = show ? "Hide all code" : "Show all code";
});
if (window.innerWidth < 900) document.querySelector("nav.contents details").open = false;
