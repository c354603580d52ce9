// Desktop alerts for new trouble, where somebody turned them on in this browser. The event log's stream brings them: one
// tab holds it for all, hidden or not, and remembers the last event, so that none is told twice. Other tabs hear that
// there is news, and a hidden one then renews its title and icon.
"use strict";

(() => {
  const {stream, instance} = document.currentScript.dataset;
  const chosenKey = "pointsman-alerts";
  const lastKey = "pointsman-alerts-last-" + instance;
  const most = 3;
  const able = "Notification" in window && isSecureContext && "locks" in navigator;
  const channel = able ? new BroadcastChannel("pointsman-alerts") : null;
  let source = null;
  let release = null;
  let waiting = false;

  const chosen = () => able && localStorage.getItem(chosenKey) === "on" && Notification.permission === "granted";

  const news = () => document.dispatchEvent(new Event("pointsman-news"));

  // Of the same trouble there is one alert: a later one takes the place of the one before.
  const alertOf = (title, body, tag, address) => {
    const alert = new Notification(title, {body, tag: "pointsman-" + tag, icon: document.querySelector("link[rel=icon]").href});
    alert.addEventListener("click", () => {
      window.focus();
      location.assign(address);
      alert.close();
    });
  };

  const take = (message) => {
    const seen = Number(localStorage.getItem(lastKey)) || 0;
    const page = new DOMParser().parseFromString("<table><tbody>" + message.data + "</tbody></table>", "text/html");
    const rows = Array.from(page.querySelectorAll("tr[data-key]"))
      .filter((row) => Number(row.dataset.key.replace("event-", "")) > seen);
    localStorage.setItem(lastKey, message.lastEventId);
    if (!rows.length) {
      return;
    }
    news();
    channel.postMessage("news");
    const host = document.querySelector(".host").textContent;
    if (rows.length > most) {
      alertOf(host + ": " + say("{count} new troubles", {count: rows.length}), say("The diagnosis lists what is wrong now."), "many", "/diagnose");
      return;
    }
    for (const row of rows.reverse()) {
      const [, severity, about, what] = Array.from(row.cells, (cell) => cell.textContent.trim());
      const address = new URL(row.querySelector("a").getAttribute("href"), location.href);
      alertOf(host + ": " + severity + (about ? ", " + about : ""), what, about + " " + what, address);
    }
  };

  const stop = () => {
    if (source) {
      source.close();
      source = null;
    }
    if (release) {
      release();
      release = null;
    }
  };

  const follow = () => {
    const address = new URL(stream, location.href);
    const last = localStorage.getItem(lastKey);
    if (last) {
      address.searchParams.set("after", last);
    }
    let heard = false;
    const over = () => {
      stop();
      if (heard) {
        alertOf(say("No more alerts"), say("The session has ended. Log in again."), "over", "/login");
      }
    };
    source = new EventSource(address);
    source.addEventListener("at", (message) => {
      heard = true;
      localStorage.setItem(lastKey, message.lastEventId);
    });
    source.addEventListener("message", take);
    source.addEventListener("end", over);
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        over();
      }
    });
  };

  const start = () => {
    if (!chosen() || source || waiting) {
      return;
    }
    waiting = true;
    navigator.locks.request("pointsman-alerts-" + instance, () => new Promise((done) => {
      waiting = false;
      release = done;
      if (chosen()) {
        follow();
      } else {
        done();
      }
    }));
  };

  // The choice, on the page that has it.
  const box = document.getElementById("alerts-choice");

  const show = (text = "") => {
    const on = chosen();
    box.querySelector("button").textContent = on ? say("Turn alerts off") : say("Turn alerts on");
    box.querySelector(".state").lastChild.textContent = on ? say("On in this browser") : say("Off in this browser");
    for (const part of box.querySelectorAll(".state, .mark")) {
      part.classList.toggle("ok", on);
      part.classList.toggle("off", !on);
    }
    box.querySelector("output").textContent = text;
  };

  const refused = say("This browser refuses alerts of this traffic manager. Allow notifications for this address in the browser's settings (the sign left of the address), then try again.");

  const choose = async () => {
    if (chosen()) {
      localStorage.removeItem(chosenKey);
      localStorage.removeItem(lastKey);
      stop();
      show();
      return;
    }
    const answer = await Notification.requestPermission();
    if (answer !== "granted") {
      show(answer === "denied" ? refused : say("The browser was not told to allow alerts. Try again, and allow them."));
      return;
    }
    try {
      alertOf(say("Alerts are on"), say("New trouble is told like this."), "on", "/diagnose");
    } catch {
      show(say("This browser shows no alerts of pages. Use one on a desk."));
      return;
    }
    localStorage.setItem(chosenKey, "on");
    show();
    start();
  };

  if (box) {
    box.hidden = false;
    if (able) {
      show(localStorage.getItem(chosenKey) === "on" && Notification.permission === "denied" ? refused : "");
      box.querySelector("button").addEventListener("click", choose);
    } else {
      box.querySelector("button").hidden = true;
      box.querySelector("output").textContent = say("This browser has no desktop alerts for pages.");
    }
  }
  if (channel) {
    channel.addEventListener("message", news);
    window.addEventListener("storage", (event) => {
      if (event.key === chosenKey) {
        stop();
        start();
      }
    });
    window.addEventListener("pagehide", stop);
    window.addEventListener("pageshow", start);
    start();
  }
})();
