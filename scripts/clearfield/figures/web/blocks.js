// Blocks to copy or to save as a file.
const say = (button, words) => { button.parentElement.querySelector(".said").textContent = words; };
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-of]");
  if (!button) return;
  const block = document.getElementById(button.dataset.of);
  const text = block.textContent;
  if (button.dataset.file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    say(button, `Saved as ${button.dataset.file}.`);
    return;
  }
  try {
    await navigator.clipboard.writeText(text);
    say(button, "Copied.");
  } catch { // a page from disk may be refused: what is marked can be copied by hand
    getSelection().selectAllChildren(block);
    say(button, document.execCommand("copy") ? "Copied." : "Marked: press Ctrl+C to copy it.");
  }
});
