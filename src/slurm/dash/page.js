// Keys go to the dashboard without a click on it before: as soon as the terminal is there, it has the focus.
window.addEventListener("load", () => {
  const focus = () => {
    const keys = document.querySelector("#terminal textarea");
    if (keys) keys.focus();
    return Boolean(keys);
  };
  if (focus()) return;
  const seen = new MutationObserver(() => focus() && seen.disconnect());
  seen.observe(document.body, { childList: true, subtree: true });
});
