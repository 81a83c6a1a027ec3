// Trades the secret behind # (which browsers never send by themselves) for a cookie, then shows the page.
const link = location.hash.slice(1);
history.replaceState(null, "", "/enter");
fetch("/api/v1/session", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ link }),
})
  .then(async (answer) => {
    if (answer.ok) location.replace("/");
    else document.getElementById("state").textContent = (await answer.json()).error.message + ".";
  })
  .catch(() => {
    document.getElementById("state").textContent = "The node does not answer: start it with `wltm up`.";
  });
