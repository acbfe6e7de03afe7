"""The page at the control plane's web address: the status, refreshed, for someone who would rather look.

A link with `#token=...` logs in: what stands behind # is not sent to any server, and leaves the address at once.
"""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Interlock</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --ok: #1a7f37; --bad: #c62828; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; }
progress { width: 100%; height: .8rem; } table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.promoted { color: var(--ok); } .rolled_back, .aborted, .draining { color: var(--bad); } code { font-size: .9em; }
</style></head><body>
<h1>Interlock</h1>
<form id="login"><label>Token <input id="token" type="password" autocomplete="current-password"></label>
<button>Show</button> <span id="problem" role="alert"></span></form>
<main id="main" aria-live="polite"></main>
<script>
const main = document.getElementById("main"), problem = document.getElementById("problem");
const el = (tag, text, cls) => { const e = document.createElement(tag); if (text != null) e.textContent = text;
  if (cls) e.className = cls; return e; };
document.getElementById("login").addEventListener("submit", e => { e.preventDefault();
  sessionStorage.token = document.getElementById("token").value.trim(); show(); });
async function show() {
  if (!sessionStorage.token) return;
  try {
    const answer = await fetch("/v1/status", { headers: { authorization: "Bearer " + sessionStorage.token } });
    const body = await answer.json();
    if (!answer.ok) { problem.textContent = body.detail; return; }
    problem.textContent = ""; draw(body);
  } catch { problem.textContent = "The control plane does not answer. Traffic keeps flowing."; }
}
function draw(s) {
  const parts = [el("p", "Serving " + s.release + ": " +
    Object.entries(s.versions).map(([n, v]) => n + "@" + v).join(", "))];
  for (const r of s.rollouts) {
    const box = el("section"); const state = r.outcome || (r.is_paused ? "paused" : r.phase);
    const title = el("h2", r.id + " "); title.append(el("span", state, state)); box.append(title);
    const bar = el("progress"); bar.max = 10000; bar.value = r.weight_bp; bar.title = "candidate's share";
    box.append(bar);
    box.append(el("p", (r.weight_bp / 100) + " % of the keys on the candidate. " + r.because));
    if (r.diagnosis) box.append(el("p", "Diagnosis: " + r.diagnosis.because));
    const moved = (r.evidence && r.evidence.moved) || [];
    for (const m of moved) box.append(el("p", "Moved: " + m.service + " " + m.says));
    const gates = r.evidence && r.evidence.gates ? r.evidence.gates.reports : [];
    if (gates.length) { const table = el("table"); for (const g of gates) { const row = el("tr");
      row.append(el("td", g.gate), el("td", g.verdict.because)); table.append(row); } box.append(table); }
    parts.push(box);
  }
  main.replaceChildren(...parts);
}
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) { sessionStorage.token = given; history.replaceState(null, "", location.pathname); }
show(); setInterval(show, 1000);
</script></body></html>
"""
