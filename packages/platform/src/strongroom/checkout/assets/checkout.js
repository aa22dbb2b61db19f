// Keeps the page of an invoice live: puts in what changed, counts down, copies. All words come from the server.
"use strict";

(() => {
  const POLL_MS = 5_000;
  const STREAM_AGAIN_MS = 60_000;
  const OFFLINE_AFTER_MS = 4_000;
  const COPIED_MS = 2_000;
  const SPOKEN_SECONDS = [300, 60];
  const SOON_SECONDS = 60;

  const sheet = document.getElementById("checkout");
  const address = `/checkout/${encodeURIComponent(sheet.dataset.invoice)}`;
  const byId = (id) => document.getElementById(id);
  let known = "";

  // The server's time, by a clock that no change of the machine's own time moves.
  let serverAhead = Number(sheet.dataset.now) - performance.now();
  const expires = Number(sheet.dataset.expires);
  const total = Math.max(1, expires - Number(sheet.dataset.created));

  const setText = (element, text) => {
    if (element.textContent !== text) element.textContent = text;
  };

  function showSteps(step) {
    document.querySelectorAll(".steps li").forEach((item, place) => {
      item.classList.toggle("done", step !== null && place < step);
      if (place === step) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
  }

  function showPayments(payments) {
    const section = byId("payments");
    const list = section.querySelector("ul");
    const blank = section.querySelector("template").content.firstElementChild;
    for (const payment of payments) {
      let row = [...list.children].find((item) => item.dataset.key === payment.key);
      if (!row) {
        row = list.appendChild(blank.cloneNode(true));
        row.dataset.key = payment.key;
      }
      row.dataset.state = payment.state;
      for (const field of row.querySelectorAll("[data-field]")) setText(field, payment[field.dataset.field]);
      row.querySelector("[data-field=txid_short]").title = payment.txid;
      row.querySelector("[data-field=note]").hidden = !payment.note;
    }
    section.hidden = payments.length === 0;
  }

  function showWays(page) {
    const shown = { pay: page.pay, over: page.over, step: page.step !== null, stray: page.stray };
    const focused = document.activeElement;
    for (const element of document.querySelectorAll("[data-show]")) element.hidden = !shown[element.dataset.show];
    sheet.toggleAttribute("data-paying", page.pay);
    if (!page.pay) {
      // Whoever stood on a button that is gone now stands on the news.
      if (focused && focused.closest("[hidden]")) byId("status").focus();
      return;
    }
    const wallet = byId("wallet");
    if (wallet.getAttribute("href") === page.payment_uri && known) return;
    wallet.setAttribute("href", page.payment_uri);
    byId("qr").setAttribute("viewBox", `0 0 ${page.qr_size} ${page.qr_size}`);
    byId("qr").firstElementChild.setAttribute("d", page.qr_path);
  }

  function apply(state) {
    serverAhead = Date.parse(state.server_time) - performance.now();
    const page = state.page;
    const news = JSON.stringify(page);
    if (news === known) return;
    for (const element of document.querySelectorAll("[data-text]")) setText(element, String(page[element.dataset.text]));
    sheet.dataset.mood = page.mood;
    document.title = `${page.headline} · ${sheet.dataset.merchant}`;
    showSteps(page.step);
    showWays(page);
    showPayments(page.payments);
    known = news;
  }

  // The stream, and asking from time to time where there is none.
  let offline = 0;
  let polling = 0;
  function setOnline(online) {
    clearTimeout(offline);
    if (online) byId("offline").hidden = true;
    else offline = setTimeout(() => { byId("offline").hidden = false; }, OFFLINE_AFTER_MS);
  }

  async function ask() {
    try {
      const answer = await fetch(`${address}/state`, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.ok) apply(await answer.json());
      setOnline(answer.ok);
    } catch {
      setOnline(false);
    }
  }

  function poll() {
    if (!polling) polling = setInterval(ask, POLL_MS);
  }

  function listen() {
    if (!("EventSource" in window)) { poll(); return; }
    const stream = new EventSource(`${address}/events`);
    stream.addEventListener("state", (event) => {
      clearInterval(polling);
      polling = 0;
      setOnline(true);
      apply(JSON.parse(event.data));
    });
    stream.addEventListener("open", () => setOnline(true));
    stream.addEventListener("error", () => {
      setOnline(false);
      if (stream.readyState !== EventSource.CLOSED) return; // it connects again by itself
      poll();
      setTimeout(listen, STREAM_AGAIN_MS);
    });
  }

  // The countdown.
  let spoken = Infinity;
  function tick() {
    const milliseconds = Math.max(0, expires - serverAhead - performance.now());
    const seconds = Math.ceil(milliseconds / 1000);
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    setText(byId("left"), hours ? `${hours}:${tail}` : tail);
    const bar = byId("left-bar");
    bar.hidden = false;
    bar.value = milliseconds / total;
    byId("left").closest(".clock").classList.toggle("soon", seconds <= SOON_SECONDS);
    const due = SPOKEN_SECONDS.find((limit) => seconds <= limit && spoken > limit && seconds > limit - 5);
    if (due && sheet.hasAttribute("data-paying")) {
      spoken = due;
      setText(byId("spoken"), due === 60 ? "One minute left to pay" : `${due / 60} minutes left to pay`);
    }
  }

  // Copying, also where the page has no clipboard: on plain http only a selection can be copied.
  async function copy(text) {
    if (navigator.clipboard && window.isSecureContext) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* the older way may still work */ }
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.readOnly = true;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    try { return document.execCommand("copy"); } catch { return false; } finally { area.remove(); }
  }

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  async function onCopy(button) {
    const source = byId(button.dataset.copy);
    const label = button.firstChild;
    const done = await copy(source.dataset.full || source.textContent.trim());
    button.focus();
    if (!done) select(source);
    setText(byId("spoken"), done ? `The ${button.dataset.copy} was copied` : "Selected; copy it with your keyboard");
    label.nodeValue = done ? "Copied" : "Selected";
    button.classList.toggle("done", done);
    setTimeout(() => {
      label.nodeValue = "Copy";
      button.classList.remove("done");
    }, COPIED_MS);
  }

  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => onCopy(button));
  addEventListener("pageshow", (event) => { if (event.persisted) ask(); });
  tick();
  setInterval(tick, 500);
  listen();
})();
