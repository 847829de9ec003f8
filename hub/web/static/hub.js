// Keeps a page of the dashboard up to date: hears that something changed, fetches the page again and
// swaps what differs. Whatever somebody is filling in stays as it is. Everything works without it.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;

  const lamp = document.getElementById("live");
  const SOON = 300; // ms: changes come in bursts
  const TICK = 60000; // ms: "in 2 h" grows old by itself
  let timer = 0;
  let busy = false;
  let again = false;

  const touched = (control) => {
    if (control.type === "hidden") return false;
    if (control.type === "radio" || control.type === "checkbox")
      return control.checked !== control.defaultChecked;
    if (control.tagName === "SELECT") {
      // without a default the first option is chosen
      const wanted = [...control.options].findIndex((option) => option.defaultSelected);
      return control.selectedIndex !== Math.max(wanted, 0);
    }
    return control.value !== control.defaultValue;
  };

  const inUse = (element) => {
    const active = document.activeElement;
    if (active && element.contains(active) && active.matches("input, select, textarea")) return true;
    return [...element.querySelectorAll("input, select, textarea")].some(touched);
  };

  // What may be swapped alone: anything with an id. Swaps as deep as it must and no deeper.
  const swap = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (!inUse(old)) {
      keepOpen(old, fresh);
      old.replaceWith(fresh);
      return;
    }
    const parts = [...old.querySelectorAll("[id]")].filter((one) => !one.closest("form"));
    for (const part of parts) {
      if (!part.isConnected || inUse(part)) continue;
      const next = fresh.querySelector("#" + CSS.escape(part.id));
      if (next && !part.isEqualNode(next)) {
        keepOpen(part, next);
        part.replaceWith(next);
      }
    }
  };

  const keepOpen = (old, fresh) => {
    const all = [...old.querySelectorAll("details[id][open]")];
    for (const one of all) {
      const next = fresh.querySelector("#" + CSS.escape(one.id));
      if (next) next.open = true;
    }
  };

  const apply = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.querySelector("main[data-live]");
    if (!fresh) return;
    const focus = document.activeElement && document.activeElement.id;
    const nav = document.querySelector(".top nav");
    const freshNav = page.querySelector(".top nav");
    if (nav && freshNav && !nav.isEqualNode(freshNav) && !nav.contains(document.activeElement))
      nav.replaceWith(freshNav);
    // the answer to what was just done is not said again by a fresh page
    const said = main.querySelector("#messages");
    const silent = fresh.querySelector("#messages");
    if (said && silent && said.children.length) silent.replaceWith(said.cloneNode(true));
    if (!inUse(main)) {
      keepOpen(main, fresh);
      const old = [...main.children];
      const next = [...fresh.children];
      const same = old.length === next.length && old.every((one, at) => one.id === next[at].id);
      if (same) old.forEach((one, at) => swap(one, next[at]));
      else main.replaceChildren(...next);
    } else {
      swap(main, fresh);
    }
    if (focus && !document.activeElement.id) {
      const there = document.getElementById(focus);
      if (there) there.focus({ preventScroll: true });
    }
  };

  const refresh = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.status === 401) location.reload();
      else if (answer.ok) apply(await answer.text());
    } catch {
      // the hub is away; the stream says so, and comes back by itself
    } finally {
      busy = false;
      if (again) {
        again = false;
        soon();
      }
    }
  };

  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!document.hidden) refresh();
      else again = true;
    }, SOON);
  };

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) soon();
  });
  setInterval(() => document.hidden || refresh(), TICK);

  const show = (on) => {
    lamp.hidden = false;
    lamp.classList.toggle("off", !on);
    lamp.lastElementChild.textContent = on ? "Live" : "Reconnecting";
  };
  let lost = false;
  const listen = () => {
    const stream = new EventSource("/api/v1/stream");
    stream.addEventListener("open", () => {
      show(true);
      if (lost) soon(); // what was missed meanwhile
      lost = false;
    });
    stream.addEventListener("change", soon);
    stream.addEventListener("error", () => {
      lost = true;
      show(false);
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 10000);
    });
    window.addEventListener("pagehide", () => stream.close(), { once: true });
  };
  if (lamp && window.EventSource) listen();

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form && event.target.matches("select, [type=checkbox]")) form.requestSubmit();
  });
})();
