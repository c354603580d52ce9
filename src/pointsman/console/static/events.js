// Follows the event log: new rows come on top of the table, until somebody pauses that or the session ends.
"use strict";

(() => {
  const card = document.querySelector("[data-tail]");
  if (!card || !window.EventSource) {
    return;
  }
  const body = card.querySelector("tbody");
  const told = document.getElementById("tail-state");
  const button = document.getElementById("tail-pause");
  const mostRows = 500;
  let source = null;
  let last = "";
  let count = 0;

  const tell = (text) => {
    told.textContent = text;
  };

  const rowsOf = (text) => {
    const page = new DOMParser().parseFromString("<table><tbody>" + text + "</tbody></table>", "text/html");
    return Array.from(page.querySelectorAll("tr"));
  };

  const take = (message) => {
    last = message.lastEventId;
    const rows = rowsOf(message.data);
    rows.forEach((row) => row.classList.add("fresh"));
    body.prepend(...rows);
    const empty = card.querySelector(".empty");
    if (empty) {
      empty.remove();
    }
    while (body.rows.length > mostRows) {
      body.deleteRow(-1);
    }
    count += rows.length;
    tell(say("Live, {count} new", {count}));
  };

  const stop = (text) => {
    source.close();
    source = null;
    tell(text);
    button.textContent = say("Follow");
  };

  const follow = () => {
    const address = new URL(card.dataset.tail, location.href);
    if (last) {
      address.searchParams.set("after", last);
    }
    source = new EventSource(address);
    button.textContent = say("Pause");
    source.addEventListener("open", () => tell(count ? say("Live, {count} new", {count}) : say("Live")));
    source.addEventListener("message", take);
    source.addEventListener("end", () => stop(say("Not live: the session or the traffic manager ended. Reload the page.")));
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        stop(say("Not live: the log cannot be followed. Reload the page."));
      } else if (source) {
        tell(say("Not live: trying again"));
      }
    });
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    if (source) {
      stop(say("Paused"));
    } else {
      follow();
    }
  });
  window.addEventListener("pagehide", () => source && source.close());
  follow();
})();
