/** The texts of the home page. */
import { bilingual } from '../shared/language.ts';

export const texts = bilingual(
  {
    pageTitle: 'Passerelle',
    pageDescription: 'A publish and subscribe gateway: WebSocket and Server-Sent Events, with exact resume.',
    heading: 'Every event, once and in order',
    lead: 'Passerelle carries events between browsers and servers over WebSocket and Server-Sent Events. Who loses the connection goes on exactly where it was, on this gateway or on any other.',
    servedBy: (gateway: string) => `Served by gateway ${gateway}`,

    aboutEcho: 'Send a frame and see what comes back, and how soon. Try every command of the protocol.',
    aboutChat: 'Rooms that hold across all gateways, with names, who is there and who is typing.',
    aboutEvents: 'Publish to a channel, watch it over both transports, cut a connection and see it resume.',
    aboutNotifications: 'An inbox with priorities and a read mark that is kept, live in every window.',
    aboutMonitoring: 'Processor, memory, disk, connections and rates of this gateway, live.',

    promises: 'What is promised',
    order: 'Order',
    aboutOrder: 'A subscriber gets the events of a channel in the order in which they were stored.',
    once: 'No duplicates',
    aboutOnce: 'No event comes twice, nor again after a resume.',
    noLoss: 'No silent loss',
    aboutNoLoss: 'Every event after a position comes, or one gap notice says what cannot be had any more.',
    stored: 'Acknowledged means stored',
    aboutStored: 'A publish that was answered is kept, and reaches the subscribers of every gateway.',

    connect: 'How to connect',
    byClient: 'From a page of this gateway, by the client: it comes back, resumes and repeats publishes by itself',
    bySource: 'From a page, by Server-Sent Events alone: the browser resumes by itself',
    bySocket: 'From a page, by a bare WebSocket',
    byPublish: 'Publish from a terminal or a server',
    byWatch: 'Watch from a terminal',
  },
  {
    pageTitle: 'Passerelle',
    pageDescription:
      'Une passerelle de publication et d’abonnement\u00a0: WebSocket et Server-Sent Events, avec reprise exacte.',
    heading: 'Chaque événement, une seule fois et dans l’ordre',
    lead: 'Passerelle porte des événements entre navigateurs et serveurs par WebSocket et Server-Sent Events. Qui perd la connexion reprend exactement là où il en était, sur cette passerelle ou sur une autre.',
    servedBy: (gateway) => `Servi par la passerelle ${gateway}`,

    aboutEcho: 'Envoyez une trame, voyez ce qui revient et en combien de temps. Essayez chaque commande du protocole.',
    aboutChat: 'Des salons communs à toutes les passerelles, avec les noms, qui est là et qui écrit.',
    aboutEvents:
      'Publiez dans un canal, suivez-le par les deux transports, coupez une connexion et voyez-la reprendre.',
    aboutNotifications:
      'Une boîte de réception avec priorités et marque de lecture conservée, en direct dans chaque fenêtre.',
    aboutMonitoring: 'Processeur, mémoire, disque, connexions et débits de cette passerelle, en direct.',

    promises: 'Ce qui est promis',
    order: 'L’ordre',
    aboutOrder: 'Un abonné reçoit les événements d’un canal dans l’ordre où ils ont été conservés.',
    once: 'Pas de doublons',
    aboutOnce: 'Aucun événement n’arrive deux fois, pas même après une reprise.',
    noLoss: 'Pas de perte silencieuse',
    aboutNoLoss: 'Tout événement après une position arrive, ou un avis de lacune dit ce qui est perdu.',
    stored: 'Confirmé veut dire conservé',
    aboutStored: 'Une publication confirmée est conservée et atteint les abonnés de toutes les passerelles.',

    connect: 'Comment se connecter',
    byClient:
      'Depuis une page de cette passerelle, par le client\u00a0: il revient, reprend et répète les publications de lui-même',
    bySource: 'Depuis une page, par Server-Sent Events seuls\u00a0: le navigateur reprend de lui-même',
    bySocket: 'Depuis une page, par un simple WebSocket',
    byPublish: 'Publier depuis un terminal ou un serveur',
    byWatch: 'Suivre depuis un terminal',
  },
);
