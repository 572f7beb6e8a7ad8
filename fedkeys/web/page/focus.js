// Textual's script draws the screen but leaves it without the focus, and a screen without it takes no keys. Before the
// first byte the websocket may not be open, and that the screen has the focus would be told to nobody.
new MutationObserver((_, observer) => {
  if (!document.body.classList.contains("-first-byte")) return;
  observer.disconnect();
  document.querySelector(".xterm-helper-textarea").focus();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
