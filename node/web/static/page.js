// Fetches the moving part again when the node says that something changed; the server does all the rendering.
const live = document.getElementById("live");
const state = document.getElementById("link");
let due = false;

async function refresh() {
  if (due) return;
  due = true;
  await new Promise((done) => setTimeout(done, 300)); // one fetch for a burst of events
  due = false;
  try {
    const answer = await fetch("/now");
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.status);
    const open = new Set([...live.querySelectorAll("details[open]")].map((one) => one.id));
    live.innerHTML = await answer.text();
    for (const one of live.querySelectorAll("details")) if (open.has(one.id)) one.open = true;
    state.textContent = "live";
  } catch {
    state.textContent = "the node does not answer; trying again";
  }
}

const events = new EventSource("/api/v1/events");
events.addEventListener("open", refresh);
events.addEventListener("change", refresh);
events.addEventListener("resync", refresh);
events.addEventListener("error", () => {
  state.textContent = "the node does not answer; trying again";
});
