// Graphs of the Activity pages: live ones from a stream of events, others from a file. The table below has the figures.
"use strict";

(() => {
  const region = document.getElementById("graphs");
  const stale = document.getElementById("stale");
  const cursorTime = document.getElementById("cursor");
  const pause = document.getElementById("live-pause");
  const seconds = Number(region.dataset.seconds);
  const live = Boolean(region.dataset.stream);
  const plots = [];
  let times = [];
  let values = [];

  const paused = () => pause.getAttribute("aria-pressed") === "true";

  const DASHES = [[], [7, 4], [2, 3], [10, 4, 2, 4], [14, 4], [4, 4], [1, 4], [8, 3, 8, 8]];

  const short = (value) => {
    if (value >= 100 || Number.isInteger(value)) {
      return Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
    }
    return value.toFixed(value >= 10 ? 1 : 2);
  };

  const figure = (value, unit) => {
    if (value === null || value === undefined) {
      return "\u2013";
    }
    if (unit === "bit/s") {
      for (const name of ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]) {
        if (value < 1000) {
          return short(value) + " " + name;
        }
        value /= 1000;
      }
      return short(value) + " Tbit/s";
    }
    return short(value) + (unit === "ms" || unit === "%" ? " " : "") + unit;
  };

  const axisFigure = (value, unit) => {
    if (unit !== "bit/s") {
      return value >= 10000 ? (value / 1000).toLocaleString("en") + "k" : String(Number(value.toPrecision(6)));
    }
    for (const name of ["", "k", "M", "G"]) {
      if (value < 1000) {
        return Number(value.toPrecision(4)) + name;
      }
      value /= 1000;
    }
    return Number(value.toPrecision(4)) + "T";
  };

  const two = (number) => String(number).padStart(2, "0");

  const moment = (mark, step) => {
    const at = new Date(mark * 1000);
    const day = two(at.getMonth() + 1) + "-" + two(at.getDate());
    if (step >= 86400) {
      return day;
    }
    const clock = two(at.getHours()) + ":" + two(at.getMinutes()) + (step < 60 ? ":" + two(at.getSeconds()) : "");
    return seconds > 86400 ? day + " " + clock : clock;
  };

  const tell = (text) => {
    stale.querySelector("p").textContent = text;
    stale.hidden = !text;
  };

  const write = (name, line, text) => {
    for (const cell of document.querySelectorAll(`[data-${name}="${line}"]`)) {
      if (cell.textContent !== text) {
        cell.textContent = text;
      }
    }
  };

  // Colours are those of the style sheet as the theme resolves them.
  const colour = (element, property = "color") => getComputedStyle(element)[property];

  const make = (box) => {
    const unit = box.dataset.unit;
    const lines = box.dataset.graph.split(",").map(Number);
    const plot = box.querySelector(".plot");
    const keys = Array.from(box.querySelectorAll(".key"));
    const axis = () => ({
      stroke: () => colour(box.querySelector("figcaption .quiet")),
      grid: {stroke: () => colour(box, "borderTopColor"), width: 1},
      ticks: {stroke: () => colour(box, "borderTopColor"), width: 1, size: 4},
      font: "11px system-ui, sans-serif",
    });
    const drawing = new uPlot({
      width: Math.max(plot.clientWidth, 200),
      height: 170,
      legend: {show: false},
      cursor: {sync: {key: "activity"}, drag: {x: false, y: false}, points: {size: 6}},
      scales: {
        x: {time: true, range: (_, low, high) => (live ? [high - seconds, high] : [low, high])},
        y: {range: (_, low, high) => [0, unit === "%" ? 100 : high > 0 ? high * 1.1 : 1]},
      },
      axes: [
        {...axis(), size: 32, space: seconds > 86400 ? 90 : 70, values: (_, marks, __, ___, step) => marks.map((mark) => moment(mark, step))},
        {...axis(), size: 58, space: 34, values: (_, marks) => marks.map((mark) => axisFigure(mark, unit))},
      ],
      series: [
        {},
        ...lines.map((line, index) => ({
          stroke: () => colour(keys[index]),
          width: 1.75,
          dash: DASHES[(Number(/key-(\d+)/.exec(keys[index].className)[1]) - 1) % DASHES.length],
          points: {show: !live && undefined},
          spanGaps: false,
        })),
      ],
      hooks: {
        setCursor: [(self) => {
          const at = self.cursor.idx;
          const seen = at === null || at === undefined || self.cursor.left < 0 ? times.length - 1 : at;
          if (cursorTime && self === plots[0]) {
            const shown = self.cursor.left >= 0 && times[seen];
            cursorTime.textContent = shown ? new Date(times[seen] * 1000).toLocaleString() : "";
          }
          lines.forEach((line) => write("now", line, figure(values[line] ? values[line][seen] : null, unit)));
        }],
      },
    }, [[], ...lines.map(() => [])], plot);
    drawing.lines = lines;
    drawing.unit = unit;
    new ResizeObserver(() => {
      const width = Math.floor(plot.clientWidth);
      if (width > 0 && width !== drawing.width) {
        drawing.setSize({width, height: 170});
      }
    }).observe(plot);
    return drawing;
  };

  const draw = () => {
    for (const drawing of plots) {
      drawing.setData([times, ...drawing.lines.map((line) => values[line] || [])]);
      for (const line of drawing.lines) {
        const known = (values[line] || []).filter((value) => value !== null);
        if (!(drawing.cursor.left >= 0)) {
          write("now", line, figure(values[line] ? values[line][times.length - 1] : null, drawing.unit));
        }
        if (live) {
          const sum = known.reduce((one, other) => one + other, 0);
          write("least", line, figure(known.length ? Math.min(...known) : null, drawing.unit));
          write("mean", line, figure(known.length ? sum / known.length : null, drawing.unit));
          write("most", line, figure(known.length ? Math.max(...known) : null, drawing.unit));
        }
      }
    }
    region.dataset.points = String(times.length);
  };

  const take = (news) => {
    const fresh = news.t.findIndex((at) => !times.length || at > times[times.length - 1]);
    if (fresh < 0) {
      return;
    }
    const newest = news.t[news.t.length - 1];
    times = times.concat(news.t.slice(fresh));
    values = news.v.map((column, line) => (values[line] || []).concat(column.slice(fresh)));
    const first = times.findIndex((at) => at > newest - seconds);
    times = times.slice(first);
    values = values.map((column) => column.slice(first));
    if (!paused()) {
      draw();
    }
  };

  // A tab that nobody sees holds no stream: browsers open only six connections to one host.
  let source = null;
  let retry = 0;

  const listen = () => {
    clearTimeout(retry);
    if (source || document.hidden) {
      return;
    }
    source = new EventSource(region.dataset.stream);
    source.addEventListener("points", (event) => {
      tell("");
      take(JSON.parse(event.data));
    });
    source.addEventListener("over", () => location.reload());
    source.addEventListener("error", () => {
      const time = times.length ? new Date(times[times.length - 1] * 1000).toLocaleTimeString() : "";
      tell(time ? say("No figures since {time}. It is tried again.", {time}) : say("No figures yet. It is tried again."));
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        retry = setTimeout(again, 5000);
      }
    });
  };

  const close = () => {
    if (source) {
      source.close();
      source = null;
    }
  };

  // An answer that is no stream: the session may have ended, or too many pages are open.
  const again = async () => {
    const answer = await fetch(region.dataset.stream, {method: "HEAD", redirect: "manual"}).catch(() => null);
    if (answer && answer.type === "opaqueredirect") {
      location.reload();
      return;
    }
    listen();
  };

  for (const box of region.querySelectorAll("[data-graph]")) {
    plots.push(make(box));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plots.forEach((drawing) => drawing.redraw());
  });

  if (live) {
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : listen()));
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", listen);
    pause.hidden = false;
    pause.addEventListener("click", () => {
      if (!paused()) {
        draw();
      }
    });
    listen();
  } else {
    fetch(region.dataset.source, {redirect: "manual"})
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(String(answer.status)))))
      .then((found) => {
        times = found.t;
        values = found.v;
        draw();
      })
      .catch(() => tell(say("The figures did not come. Reload the page.")));
  }
})();
