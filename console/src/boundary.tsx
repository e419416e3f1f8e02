import { Component, type ComponentChildren } from "preact";

import { Notice } from "./parts.tsx";

/** A fault of one page is told there; the others still work. */
export class Boundary extends Component<{ children: ComponentChildren }, { fault?: string }> {
  static getDerivedStateFromError(error: unknown) {
    return { fault: String(error) };
  }

  render() {
    return this.state.fault ? (
      <main>
        <Notice>This page has a fault: {this.state.fault}. Reloading it may help.</Notice>
      </main>
    ) : (
      this.props.children
    );
  }
}
