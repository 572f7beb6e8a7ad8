// Textual's script draws the screen but leaves it without the focus, so that keys would go nowhere before a click.
// Earlier than with the first byte the script would tell a websocket that is not open, and fail.
new MutationObserver((_, observer) => {
  if (!document.body.classList.contains("-first-byte")) return;
  observer.disconnect();
  document.querySelector(".xterm-helper-textarea").focus();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
