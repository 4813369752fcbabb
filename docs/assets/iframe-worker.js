/* Lets the search work on pages that were opened as files: from file:// a browser starts no workers, so what the worker of
 * the search does is done in a hidden frame, which is spoken to as to a worker. On a server nothing is changed. */
"use strict";
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow, program = new URL(address, location.href);
      const load = name => new Promise((loaded, missing) => {
        const script = inside.document.createElement("script");
        script.src = new URL(name, program).href;
        script.onload = loaded;
        script.onerror = missing;
        inside.document.head.append(script);
      });
      inside.postMessage = data => setTimeout(() => this.dispatchEvent(new MessageEvent("message", { data })));
      inside.importScripts = (...names) =>
        names.reduce((before, name) => before.then(() => load(name)), Promise.resolve());
      this.ready = load(program);
    }
    postMessage(data) {
      const inside = this.frame.contentWindow;
      this.ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
