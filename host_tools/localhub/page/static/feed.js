// The live feed: a WebSocket that comes back by itself.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

export class Feed {
  /**
   * @param {Function} onNews called with every message of the service
   * @param {Function} onState called with "live" or "lost", and a text
   */
  constructor(onNews, onState) {
    this.onNews = onNews;
    this.onState = onState;
    this.pause = FIRST_PAUSE;
    this.view = {};
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/page/feed`);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.pause = FIRST_PAUSE;
      this.onState("live", "Live");
      this.tellView();
    });
    socket.addEventListener("message", (event) => this.onNews(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.retry());
  }

  retry() {
    const seconds = Math.ceil(this.pause / 1000);
    this.onState("lost", `The service does not answer. Next try in ${seconds} s.`);
    setTimeout(() => this.connect(), this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
  }

  /** Say which connections to show: {hub, text}. */
  look(view) {
    this.view = view;
    this.tellView();
  }

  tellView() {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(this.view));
    }
  }
}
